"""An inference model is self-contained, and predicts in the order of its input."""

import json
import shutil

import pytest
from safetensors.numpy import load_file

import palm
from palm.errors import CheckpointError
from tests.integration import tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Four targets, trained for a few steps."""
    folder = tmp_path_factory.mktemp("训练")
    tasks = {
        "c": tiny.classification_task(folder, "c"),
        "m": tiny.mrc_task(folder, "m"),
        "s": tiny.slot_task(folder, "s"),
        "p": tiny.match_task(folder, "p"),
        "w": tiny.mlm_task(folder, "w"),
    }
    palm.Controller(tiny.config(folder, tasks, num_epochs=3), overrides=[]).train()
    return folder, tasks


def predictor(trained, **keys):
    folder, tasks = trained
    return palm.Controller(tiny.config(folder, tasks, **keys), for_train=False, overrides=[])


def test_a_model_predicts_on_a_machine_that_has_nothing_else(trained, tmp_path):
    folder, _ = trained
    here = predictor(trained).pred("c")
    shutil.copytree(folder / "out/c/infer_model", tmp_path / "模型")
    rows = [[text] for _, text in tiny.classification_rows(16, seed=2)]
    moved = palm.Predictor(tmp_path / "模型").predict(tiny.write_tsv(tmp_path / "数据.tsv", ["text_a"], rows))
    assert [one["label"] for one in moved] == [one["label"] for one in here]
    assert moved[0]["logits"] == pytest.approx(here[0]["logits"], abs=1e-6)


def test_nothing_of_other_tasks_or_the_optimizer_is_in_a_model(trained):
    folder, _ = trained
    names = set(load_file(str(folder / "out/c/infer_model/model.safetensors")))
    assert {name.split(".")[0] for name in names} == {"backbone", "head"}
    assert {name for name in names if name.startswith("head.")} == {"head.linear.weight", "head.linear.bias"}
    files = {path.name for path in (folder / "out/c/infer_model").iterdir()}
    assert files == {"config.json", "manifest.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"}


def test_predictions_follow_the_input_whatever_the_batches(trained):
    one_by_one, at_once = (predictor(trained, pred_batch_size=size).pred("s") for size in (1, 32))
    assert [one["index"] for one in at_once] == list(range(32))
    assert [one["words"] for one in at_once] == [one["words"] for one in one_by_one]
    gold = [text.split() for _, text in tiny.classification_rows(32, seed=5)]
    assert [one["words"] for one in at_once] == gold


def test_padding_and_batch_size_do_not_change_probabilities(trained):
    one_by_one, at_once = (predictor(trained, pred_batch_size=size).pred("p") for size in (1, 32))
    for single, batched in zip(one_by_one, at_once, strict=True):
        assert single["logits"] == pytest.approx(batched["logits"], abs=1e-5)


def test_masked_words_are_filled_in(trained, tmp_path):
    file = tiny.write_tsv(tmp_path / "cloze.tsv", ["text_a"], [["the big [MASK] fish in the house"]])
    (prediction,) = palm.Predictor(trained[0] / "out/w/infer_model").predict(file)
    (mask,) = prediction["masks"]
    assert len(mask["tokens"]) == 5
    assert set(mask["tokens"]) <= set(tiny.SPECIAL + tiny.WORDS + tiny.CHARACTERS)
    assert mask["probs"] == sorted(mask["probs"], reverse=True)


def test_keys_that_the_configuration_sets_now_count_in_prediction(trained):
    folder, _ = trained
    predictor(trained, n_best_size=2).pred("m")
    nbest = json.loads((folder / "out/m/nbest_predictions.json").read_text(encoding="utf-8"))
    assert {len(options) for options in nbest.values()} == {2}


def test_keys_that_decide_what_the_model_sees_cannot_change(trained):
    with pytest.raises(
        CheckpointError, match=r"`do_lower_case` must have its value from training\. Trained with True, found False"
    ):
        predictor(trained, do_lower_case=False).pred("c")


def test_a_model_of_another_kind_of_task_is_refused(trained):
    with pytest.raises(
        CheckpointError, match="Trained with reader `cls` and paradigm `cls`, found `match` and `match`"
    ):
        predictor(trained).pred("p", trained[0] / "out/c/infer_model")


def test_a_damaged_model_is_refused(trained, tmp_path):
    shutil.copytree(trained[0] / "out/c/infer_model", tmp_path / "model")
    vocab = tmp_path / "model" / "vocab.txt"
    vocab.write_text(vocab.read_text(encoding="utf-8").replace("fish", "fush"), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"vocab\.txt: differs from what was written"):
        palm.Predictor(tmp_path / "model")


def test_evaluation_of_an_export_is_that_of_training(tmp_path):
    made = tiny.config(tmp_path, {"c": tiny.classification_task(tmp_path, "c")})
    palm.Controller(made, overrides=[]).train()
    latest = [line for line in tiny.metrics(tmp_path) if line["split"] == "dev"][-1]
    figures = palm.Controller(made, for_train=False, overrides=[]).evaluate("c")
    assert figures == {name: pytest.approx(latest[name], rel=1e-5) for name in ("loss", "accuracy", "macro_f1")}


def test_mrc_is_evaluated_without_a_loss(trained):
    figures = predictor(trained).evaluate("m")
    assert set(figures) == {"exact_match", "f1"}
    assert all(0 <= value <= 1 for value in figures.values())
