"""Runs with every kind of head and feature: trained, resumed in the same bits, exported and predicted with."""

import hashlib

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import save_checkpoint
from palm.engine.train import train_steps
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


def _digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
