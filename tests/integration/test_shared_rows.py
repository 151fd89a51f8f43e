"""Rows with labels of several tasks go through the encoder once, and train as they would in passes of their own."""

import json
from collections import Counter
from itertools import islice

import numpy as np
import pytest

import palm
from palm.engine.batches import step_batches
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.forward_backward import passes, shared_losses
from palm.engine.train import train_steps
from palm.errors import ConfigError
from palm.training.tasks import with_shared_rows
from tests.integration import tiny
from tests.integration.test_resume import fingerprint

NO_DROPOUT = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0}
COLOURS = ("red", "green", "blue", "红", "绿", "蓝")


def rows():
    """Text, kind, tags; some rows lack one of the labels, and one text comes twice."""
    made = []
    for number, (label, text) in enumerate(tiny.classification_rows(40, seed=5)):
        words = ([text] if number % 7 else [f"{text} 红 鱼 在 河"])[0].split()
        tags = ["B-colour" if word in COLOURS else "O" for word in words]
        made.append((" ".join(words), "" if number % 5 == 1 else label, "" if number % 4 == 2 else " ".join(tags)))
    return [*made, made[0]]


def tasks(folder, *, share=True, **slots):
    kinds = [[kind, text] for text, kind, _ in rows() if kind]
    tagged = [[text, tags] for text, _, tags in rows() if tags]
    own = {"share_rows_with": "kind"} if share else {}
    return {
        "kind": {
            "reader": "cls", "paradigm": "cls", "pooling": "mean", "loss_weight": 2.0,
            "train_file": tiny.write_tsv(folder / "kind.tsv", ["label", "text_a"], kinds),
            "dev_file": str(folder / "kind.tsv"), "pred_file": str(folder / "kind.tsv"),
        },
        "slots": {
            "reader": "seq_label", "paradigm": "seq_label", **own, **slots,
            "train_file": tiny.write_tsv(folder / "slots.tsv", ["text_a", "label"], tagged),
            "dev_file": str(folder / "slots.tsv"), "pred_file": str(folder / "slots.tsv"),
        },
    }  # fmt: skip


def controller(folder, made=None, **keys):
    return palm.Controller(tiny.config(folder, made or tasks(folder), mode="joint", **keys), overrides=[])


def test_every_row_comes_once_an_epoch_with_all_its_labels(tmp_path):
    run = controller(tmp_path, drop_last=False, batch_size=4)._training_run()
    kind, slots = run.tasks
    kinds, tagged = (
        Counter(text for text, label, _ in rows() if label),
        Counter(text for text, _, tags in rows() if tags),
    )
    steps = -(-sum((kinds | tagged).values()) // 4)  # of each text as many rows as the task has that has more
    assert (kind.steps_per_epoch, slots.steps_per_epoch) == (steps, steps)
    seen = {"kind": 0, "slots": 0, "both": 0}
    for step in range(steps):
        texts = {
            task.name: {
                tuple(tokens[mask > 0]) for tokens, mask in zip(batch["token_ids"], batch["input_mask"], strict=True)
            }
            for task in run.tasks
            if (batch := task.batch_at(step))
        }
        for task in run.tasks:
            seen[task.name] += len(task.examples_at(step)[0])
        seen["both"] += len(texts.get("kind", set()) & texts.get("slots", set()))
    labels = [(bool(kind), bool(tags)) for _, kind, tags in rows()]
    assert seen["kind"] == sum(kind for kind, _ in labels)
    assert seen["slots"] == sum(tags for _, tags in labels)
    assert seen["both"] >= 15


def test_losses_and_gradients_are_those_of_passes_of_their_own(tmp_path):
    run = controller(tmp_path, **NO_DROPOUT)._training_run()
    run.model.train()
    step = next(step_batch for step_batch in _draws(run) if len(step_batch.other_tasks[0].row_indices) < 8)
    assert [[part.task.name for part in group] for group in passes(step.parts, per_task=False)] == [["kind", "slots"]]
    wanted = [run.model.loss(part.task, part.batch) for part in step.parts]
    found = shared_losses(run.model, step.parts)
    assert [float(loss) for loss in found] == pytest.approx([float(loss) for loss in wanted], rel=1e-5)
    gradients = []
    for losses in (wanted, found):
        (losses[0] * 2.0 + losses[1]).backward()
        gradients.append({name: gradient.numpy() for name, gradient in run.optimizer.gradients().items()})
        tiny.clear_gradients(run.model)
    assert set(gradients[0]) == set(gradients[1])
    for name, gradient in gradients[0].items():
        np.testing.assert_allclose(gradients[1][name], gradient, rtol=1e-3, atol=1e-6)


def _draws(run):
    return step_batches(run.tasks, run.sampler, done_steps=0, task_steps={})


def test_the_encoder_runs_once_a_step_save_for_gradient_methods(tmp_path):
    for weighting, wanted in (("fixed", 3), ("pcgrad", 6)):
        run = controller(tmp_path, weighting=weighting)._training_run()
        forward, calls = run.model.backbone.forward, []
        run.model.backbone.forward = _counted(forward, calls)
        results = list(islice(train_steps(run), 3))
        assert all(len(result.parts) == 2 for result in results)
        assert len(calls) == wanted


def _counted(forward, calls):
    def counted(*given, **keys):
        calls.append(1)
        return forward(*given, **keys)

    return counted


def sparse(folder, **of_kind):
    """Tags for every sixth row, so that many a step of two rows has none."""
    made = tiny.classification_rows(24, seed=5, chinese=True)
    tagged = [[text, " ".join("B-colour" if each in COLOURS else "O" for each in text)] for _, text in made[::6]]
    kinds, tags = folder / "kind.tsv", folder / "slots.tsv"
    found = {
        "kind": {"reader": "cls", "paradigm": "cls", "train_file": tiny.write_tsv(kinds, ["label", "text_a"], made)},
        "slots": {"reader": "seq_label", "paradigm": "seq_label", "share_rows_with": "kind", "for_cn": True,
                  "train_file": tiny.write_tsv(tags, ["text_a", "label"], tagged)},
    }  # fmt: skip
    return {"kind": {**found["kind"], "dev_file": str(kinds), **of_kind}, "slots": found["slots"]}


def test_gradient_cosines_leave_a_task_out_that_has_no_label_in_its_next_step(tmp_path):
    made = controller(tmp_path, sparse(tmp_path), batch_size=2, num_epochs=1, log_gradient_cosines_every_n_steps=1)
    made.train()
    slots = made._tasks[1]
    looks = {line["global_step"]: line["cosines"] for line in tiny.metrics(tmp_path) if line["split"] == "cosine"}
    labelled = {step: bool(len(slots.examples_at(step)[0])) for step in looks}
    assert {True, False} <= set(labelled.values())
    assert {step: list(look) for step, look in looks.items()} == {
        step: ["kind~slots"] if there else [] for step, there in labelled.items()
    }


def test_a_step_without_a_label_of_the_tasks_that_are_left_has_no_line(tmp_path):
    stops = {"early_stopping_patience": 1, "eval_every_n_steps": 1, "learning_rate": 1e-9}
    keys = {**stops, "batch_size": 2, "num_epochs": 2, "leave_mix_when_finished": True}
    made = sparse(tmp_path, early_stopping_patience=1)
    made["slots"]["early_stopping_patience"] = None
    run = controller(tmp_path, made, **keys)
    run.train()
    slots = run._tasks[1]
    records = [line for line in tiny.metrics(tmp_path) if line["split"] == "train"]
    last = max(line["global_step"] for line in tiny.metrics(tmp_path))
    assert max(line["global_step"] for line in records if line["task"] == "kind") == 2, "it has stopped early"
    wanted = [step for step in range(3, last + 1) if len(slots.examples_at(step - 1)[0])]
    assert last == 24
    assert 0 < len(wanted) < last - 2
    assert [line["global_step"] for line in records if line["global_step"] > 2] == wanted
    lines = [line for line in tiny.log_lines(tmp_path) if line.startswith("Global step")]
    assert [int(line.split()[2].rstrip(".")) for line in lines if "Task: slots" in line][-len(wanted) :] == wanted
    assert not any("loss: 0.000" in line for line in lines)


@pytest.mark.parametrize("keys", [{}, {"weighting": "upgrad"}, {"adversarial_epsilon": 0.3, "on_nan": "skip"}])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, keys):
    keys = {"batch_size": 4, "gradient_accumulation_steps": 2, **keys}
    whole = controller(tmp_path, **keys)._training_run()
    for result in train_steps(whole):
        if result.global_step == 13:
            save_checkpoint(whole, tmp_path / "ckpt", keep=1)
    save_checkpoint(whole, tmp_path / "whole", keep=1)
    again = controller(tmp_path, **keys)._training_run()
    restore_checkpoint(again, tmp_path / "ckpt" / "step_13")
    list(train_steps(again))
    save_checkpoint(again, tmp_path / "again", keep=1)
    last = f"step_{whole.progress.global_step}"
    assert fingerprint(tmp_path / "again" / last) == fingerprint(tmp_path / "whole" / last)


def test_heads_with_layers_or_regularisers_of_their_own_train_too(tmp_path):
    made = tasks(tmp_path, sharing="adapter", rdrop_alpha=1.0)
    run = controller(tmp_path, made, max_steps=3)._training_run()
    before = {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}
    assert all(np.isfinite(part.loss) for result in train_steps(run) for part in result.parts)
    moved = {name for name, tensor in run.model.state_dict().items() if (tensor.numpy() != before[name]).any()}
    assert any(name.startswith("heads.slots.task_adapters") for name in moved)


def test_a_run_learns_both_tasks_and_exports_them(tmp_path):
    made = controller(tmp_path, num_epochs=12, batch_size=8)
    made.train()
    assert made.evaluate("kind")["accuracy"] > 0.9
    assert made.evaluate("slots")["span_f1"] > 0.9
    lines = [line for line in tiny.log_lines(tmp_path) if line.startswith("Global step: 3. ")]
    assert [line.split(", loss")[0] for line in lines] == [
        "Global step: 3. Task: kind, step 3/4 (epoch 0)",
        "Global step: 3. Task: slots, step 3/4 (epoch 0)",
    ]


def test_a_fault_of_one_task_leaves_the_other_to_train(tmp_path):
    run = controller(tmp_path, on_nan="skip")._training_run()
    slots = run.tasks[1]
    loss = slots.paradigm.loss
    slots.paradigm.loss = lambda outputs, inputs: loss(outputs, inputs) * float("nan")
    first = next(train_steps(run))
    assert first.fault is None
    assert "task slots" in first.other_tasks[0].fault
    assert all(np.isfinite(tensor.numpy()).all() for tensor in run.model.state_dict().values())


@pytest.mark.parametrize(
    ("change", "keys", "message"),
    [
        ({"share_rows_with": "kin"}, {}, r"must name another task of this run\. Found `kin`\. Did you mean `kind`\?"),
        ({"share_rows_with": "slots"}, {}, r"must name another task of this run\. Found `slots`"),
        ({}, {"mode": "alternating"}, r"Found mode: alternating\. Set mode: joint"),
        ({"mix_ratio": 0, "target": False}, {}, r"must both be trained\. Found a mix_ratio of 0"),
        ({"max_seq_len": 4}, {}, r"`slots` and `kind` have none in common"),
    ],
)
def test_what_cannot_be_shared_is_said(tmp_path, change, keys, message):
    made = tasks(tmp_path, **change)
    with pytest.raises(ConfigError, match=message):
        palm.Controller(tiny.config(tmp_path, made, **{"mode": "joint", **keys}), overrides=[])


def test_a_reader_that_masks_words_has_rows_of_its_own(tmp_path):
    made = {"kind": tasks(tmp_path)["kind"], "words": {**tiny.mlm_task(tmp_path, "words"), "share_rows_with": "kind"}}
    with pytest.raises(ConfigError, match="`words` that masks words"):
        controller(tmp_path, made)


def test_tasks_that_share_nothing_stay_as_they_are(tmp_path):
    run = controller(tmp_path, tasks(tmp_path, share=False))._training_run()
    assert all(one is other for one, other in zip(with_shared_rows(run.tasks), run.tasks, strict=True))


def test_epochs_end_also_with_a_step_that_has_no_label_of_their_task(tmp_path):
    texts = [f"the red fish {word}" for word in ("a", "who", "鱼", "on", "river", "sky", "house", "big")]
    kinds = [[label, text] for label, text in zip(["water", "air"] * 2, texts, strict=False)]
    tagged = [[text, "O B-colour O O"] for text in texts]
    plain = {"shuffle": False, "batch_size": 4}
    made = {
        "kind": {
            "reader": "cls", "paradigm": "cls", **plain,
            "train_file": tiny.write_tsv(tmp_path / "kind.tsv", ["label", "text_a"], kinds),
            "dev_file": str(tmp_path / "kind.tsv"),
        },
        "slots": {
            "reader": "seq_label", "paradigm": "seq_label", "share_rows_with": "kind", **plain,
            "train_file": tiny.write_tsv(tmp_path / "slots.tsv", ["text_a", "label"], tagged),
        },
    }  # fmt: skip
    run = controller(tmp_path, made, num_epochs=3, weighting="dwa", save_every_n_steps=6)
    run.train()  # in steps 2, 4 and 6, the last of each epoch, no row has a kind
    figures = tiny.metrics(tmp_path)
    assert {each["global_step"] for each in figures if each["task"] == "kind" and each["split"] == "train"} == {1, 3, 5}
    assert [each["global_step"] for each in figures if each["split"] == "dev"] == [2, 4, 6]
    progress = json.loads((tmp_path / "out" / "ckpt" / "step_6" / "progress.json").read_text(encoding="utf-8"))
    losses = [each["loss"] for each in figures if each["task"] == "kind" and each["split"] == "train"]
    assert progress["history"]["kind"]["epoch_losses"] == losses[1:]
