"""Runs with every kind of head and feature: trained, resumed in the same bits, exported and predicted with."""

import hashlib

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny


def tasks(folder):
    return {
        "water": {
            **tiny.classification_task(folder, "water", chinese=True),
            "pooling": "attention",
            "head": "mlp",
            "focal_gamma": 1.0,
            "layers": "mix",
        },
        "pairs": {**tiny.match_task(folder, "pairs"), "pooling": "mean", "label_smoothing": 0.1},
        "slots": {**tiny.slot_task(folder, "slots"), "head": "bilstm_crf", "head_hidden_size": 8},
        "tags": {**tiny.slot_task(folder, "tags"), "head": "crf", "class_weights": {}},
    }


def other_gold(folder):
    """Texts whose gold is a set of labels, or a number: how wet it is."""
    rows = tiny.classification_rows(48, seed=3, chinese=True)
    sets = [["|".join(sorted({label, text[0]} - {"大"})), text] for label, text in rows]
    numbers = [[str(2.5 if label == "water" else -0.5), text, text] for label, text in rows]
    files = {
        "sets": tiny.write_tsv(folder / "sets.tsv", ["label", "text_a"], sets),
        "wet": tiny.write_tsv(folder / "wet.tsv", ["label", "text_a", "text_b"], numbers),
    }
    kinds = {"sets": ("cls", "multi_label", "several"), "wet": ("match", "regression", "number")}
    return {
        name: {
            "reader": kinds[name][0], "paradigm": kinds[name][1], "label_kind": kinds[name][2],
            "train_file": file, "dev_file": file, "pred_file": file,
        }
        for name, file in files.items()
    }  # fmt: skip


def controller(folder, **keys):
    return palm.Controller(tiny.config(folder, tasks(folder), **keys), overrides=[])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("头")
    controller(folder, num_epochs=8).train()
    return folder


def test_an_exported_model_predicts_as_the_run_did(trained):
    for name in ("water", "pairs", "slots", "tags"):
        by_config = controller(trained).pred(name)
        bundle = palm.Predictor(trained / "out" / name / "infer_model")
        assert bundle.predict(tasks(trained)[name]["pred_file"]) == by_config


def test_every_head_learns(trained):
    figures = {line["task"]: line for line in tiny.metrics(trained) if line["split"] == "dev"}
    assert figures["water"]["accuracy"] > 0.9
    assert figures["slots"]["span_f1"] > 0.9
    assert figures["tags"]["span_f1"] > 0.9


def test_a_resumed_run_ends_in_the_same_bits(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    ends = []
    for folder, stop in ((whole, None), (stopped, 5)):
        run = controller(folder, num_epochs=1)._training_run()
        for result in train_steps(run):
            if result.global_step == stop:
                save_checkpoint(run, folder / "out" / "ckpt", keep=9)
                break
        if stop is not None:
            again = controller(folder, num_epochs=1, resume="auto", save_every_n_steps=1)
            again.train()
            run = again._training_run()
        ends.append({name: _digest(tensor.numpy()) for name, tensor in run.model.state_dict().items()})
    assert ends[0] == ends[1]


def test_sets_of_labels_and_numbers(tmp_path):
    made = tiny.config(tmp_path, other_gold(tmp_path), num_epochs=16)
    palm.Controller(made, overrides=[]).train()
    figures = {line["task"]: line for line in tiny.metrics(tmp_path) if line["split"] == "dev"}
    assert figures["sets"]["micro_f1"] > 0.9
    assert figures["wet"]["pearson"] > 0.9
    assert {"macro_f1", "set_accuracy", "loss"} <= set(figures["sets"])
    predictions = palm.Predictor(tmp_path / "out/sets/infer_model").predict(made["tasks"]["sets"]["pred_file"])
    assert predictions == palm.Controller(made, for_train=False, overrides=[]).pred("sets")
    assert set(predictions[0]["probs"]) == {"air", "water", "小"}


def test_a_reader_that_gives_other_gold_than_the_paradigm_takes(tmp_path):
    tasks = other_gold(tmp_path)
    tasks["wet"]["label_kind"] = "class"
    with pytest.raises(
        ConfigError, match=r"needs `label_values` from reader `match`.*provide it with `label_kind: number`"
    ):
        palm.Controller(tiny.config(tmp_path, tasks), overrides=[])


def test_choices_are_learnt_and_ranked(tmp_path):
    texts = [text for _, text in tiny.classification_rows(48, seed=7, chinese=True)]
    orders = ["鱼|鸟", "鸟|鱼|天", "鸟|天|鱼"]  # the fish is right, wherever it stands
    rows = [[str(row % 3), text, orders[row % 3]] for row, text in enumerate(texts)]
    file = tiny.write_tsv(tmp_path / "choices.tsv", ["label", "text_a", "choices"], rows)
    task = {"reader": "choice", "paradigm": "choice", "train_file": file, "dev_file": file, "pred_file": file}
    made = tiny.config(tmp_path, {"which": task}, num_epochs=10)
    palm.Controller(made, overrides=[]).train()
    figures = [line for line in tiny.metrics(tmp_path) if line["split"] == "dev"][-1]
    assert figures["accuracy"] > 0.9
    assert figures["mrr"] >= figures["accuracy"]
    predictions = palm.Predictor(tmp_path / "out/which/infer_model").predict(file)
    assert [len(one["probs"]) for one in predictions[:2]] == [2, 3]


def _digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
