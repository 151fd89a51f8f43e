"""The parts of a batch: the sum of their shares of the loss is the loss of the whole batch, for every paradigm."""

from dataclasses import replace

import numpy as np
import paddle
import pytest

import palm
from palm.distributed.ranks import Ranks
from palm.engine.batches import batch_of
from palm.engine.rank_part import RankGradients, joint_position
from tests.integration import all_heads, tiny

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "dropout_prob": 0.0}
NO_DROPOUT |= {"arc_dropout": 0.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with every paradigm, without dropout."""
    folder = tmp_path_factory.mktemp("parts")
    return palm.Controller(all_heads.config(folder, **NO_DROPOUT, batch_size=7), overrides=[])._training_run()


def parts_of_step(task, count, step=0):
    return [batch_of(task, step, 1, Ranks(rank, count)) for rank in range(count)]


@pytest.mark.parametrize("count", [2, 3, 9])
def test_the_shares_of_all_ranks_are_the_loss_of_the_batch(run, count):
    for task in run.tasks:
        whole = float(run.model.loss(task, task.batch_at(0)))
        parts = parts_of_step(task, count)
        losses = [float(run.model.loss(task, part.batch, factors=part.factors)) * part.share for part in parts]
        assert sum(losses) == pytest.approx(whole, rel=2e-5, abs=1e-6), task.name


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("name", ["water", "tags", "sets"])
def test_the_sum_of_r_drop_is_that_over_the_rows_of_all_ranks(run, monkeypatch, count, name):
    """Each part has a mean distance; its first tokens' numbers stand for distances, of which the sum is known."""
    task = next(task for task in run.tasks if task.name == name)
    whole = task.batch_at(0)
    counted = whole["label_ids"] != -100 if "label_ids" in whole else np.ones(len(whole["token_ids"]), bool)
    distances = np.where(counted, 1.0 + np.arange(counted.size).reshape(counted.shape) % 3, 0.0)
    monkeypatch.setattr(
        type(task.paradigm),
        "output_distance",
        lambda self, one, other, inputs: paddle.to_tensor(distances[rows()].sum() / max(1, counted[rows()].sum())),
    )
    parts = [batch_of(task, 0, 1, Ranks(rank, count)) for rank in range(count)]
    current = parts[0]

    def rows():
        return current.row_indices if count > 1 else slice(None)

    losses = {}
    for alpha in (0.0, 5.0):
        keys = task.settings.model_copy(update={"use_rdrop": True, "alpha_rdrop": alpha})
        total = 0.0
        for part in parts:
            current = replace(part, task=replace(task, settings=keys))
            total += float(run.model.loss(current.task, current.batch, factors=current.factors)) * current.share
        losses[alpha] = total
    assert losses[5.0] - losses[0.0] == pytest.approx(5.0 * distances.sum(), rel=1e-4)


def test_a_rank_without_rows_has_a_batch_that_counts_for_nothing(run):
    for task in run.tasks:
        parts = parts_of_step(task, 9)  # of seven rows
        empty = [part for part in parts if not part.share]
        assert len(empty) == 2, task.name
        assert all(len(part.batch["token_ids"]) for part in empty)
        assert sum(part.rank_part.penalty_share for part in parts) == pytest.approx(1.0)


def test_the_rows_of_the_parts_are_those_of_the_batch_in_order(run):
    for task in run.tasks:
        whole, parts = task.batch_at(0), parts_of_step(task, 3)
        if "anchor_mask" in whole:  # in-batch negatives: each rank encodes all texts, and has the losses of some rows
            assert sum(part.batch["anchor_mask"] for part in parts).tolist() == [1.0] * len(whole["anchor_mask"])
            continue
        tokens = np.concatenate([part.batch["token_ids"] for part in parts])
        np.testing.assert_array_equal(tokens, whole["token_ids"])
        starts = np.cumsum([0, *(len(part.batch["token_ids"]) for part in parts)])
        positions = [part.rank_part.position for part in parts]
        assert [each.sequences for each in positions] == starts[:-1].tolist()
        assert {each.total for each in positions} == {len(whole["token_ids"])}
        lengths = whole["input_mask"].sum(axis=1)
        assert [each.tokens for each in positions] == [int(lengths[:start].sum()) for start in starts[:-1]]
        assert all(np.isin(whole["token_ids"], part.rank_part.words).all() for part in parts)


def test_masks_of_a_language_model_are_counted_by_example(run):
    task = next(task for task in run.tasks if task.name == "words")
    whole, parts = task.batch_at(0), parts_of_step(task, 2)
    width = whole["token_ids"].shape[1]
    first, second = (part.batch for part in parts)
    assert second["mask_pos"].tolist() == [
        place - 3 * width for place in whole["mask_pos"].tolist() if place >= 3 * width
    ]
    assert parts[1].rank_part.position.masks == len(first["mask_pos"])
    assert len(first["mask_label"]) + len(second["mask_label"]) == len(whole["mask_label"])


def test_rows_that_stand_for_a_task_without_any_come_before_those_of_the_rank(tmp_path):
    rows = tiny.classification_rows(12, seed=7)
    few = [["first", rows[0][1] + " cat"]]
    rows = [[label, f"{text} {word}"] for (label, text), word in zip(rows, tiny.WORDS, strict=False)]
    few[0][1] = rows[0][1]
    header = ["label", "text_a"]
    both = {"reader": "cls", "paradigm": "cls", "shuffle": False}
    tasks = {
        "one": {**both, "train_file": tiny.write_tsv(tmp_path / "one.tsv", header, rows)},
        "two": {
            **both,
            "train_file": tiny.write_tsv(tmp_path / "two.tsv", header, [*few, ["second", rows[7][1]]]),
            "share_rows_with": "one",
        },
    }
    config = tiny.config(tmp_path, tasks, mode="joint", batch_size=3, global_batch_size=6)
    one, two = palm.Controller(config, overrides=[])._training_run().tasks
    parts = [batch_of(task, 0, 1, Ranks(1, 2)) for task in (one, two)]
    assert parts[1].share == 0.0  # the only row with a label of `two` is the first one, of rank 0
    position = joint_position([part.rank_part for part in parts])
    assert (position.own, position.sequences, position.total) == (4, 2, 6)
    alone = joint_position([parts[0].rank_part])
    assert (alone.own, alone.sequences, alone.total) == (3, 3, 6)


def test_the_words_of_an_update_are_those_of_all_its_batches(run):
    kept = RankGradients()
    parts = [batch_of(task, 0, 1, Ranks(0, 2)).rank_part for task in run.tasks[:2]]
    kept.add(parts[:1])
    kept.add(parts[1:])
    assert kept.words.tolist() == sorted({word for part in parts for word in part.words.tolist()})
    kept.clear()
    assert not len(kept.words)
