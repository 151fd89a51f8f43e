"""Runs with SMART's regulariser: every kind of task it is for, exact resume, prediction, and what is refused."""

from pathlib import Path

import numpy as np
import paddle
import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.predict import run_over
from palm.engine.train import train_steps
from palm.errors import ConfigError
from palm.inference.bundle import save_bundle
from palm.inference.prediction_rows import with_rows
from palm.reader.loading import load_dataset
from tests.integration import tiny

SMART = {"smart_weight": 3.0, "smart_epsilon": 0.05}
STEPS = 10
FILES = ("model.safetensors", "optimizer.safetensors", "gradients.safetensors", "progress.json")


def number_task(folder, name):
    rows = [[str(int("红" in text)), text] for _, text in tiny.classification_rows(32, seed=4, chinese=True)]
    file = tiny.write_tsv(folder / f"{name}.tsv", ["label", "text_a"], rows)
    files = {"train_file": file, "dev_file": file, "pred_file": file}
    return {"reader": "cls", "paradigm": "regression", "label_kind": "number", **files}


def config(folder, smart=SMART, head="linear", **keys):
    folder.mkdir(exist_ok=True)
    tasks = {
        "水": {**tiny.classification_task(folder, "水", count=24, chinese=True), **smart},
        "slots": {**tiny.slot_task(folder, "slots"), **smart, "lr_scale": 3.0, "head": head},
        "红": {**number_task(folder, "红"), **smart, "rdrop_alpha": 0.5},
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
    }
    return tiny.config(folder, tasks, **{"max_steps": STEPS, "num_epochs": 9, **keys})


def run_of(folder, smart=SMART, head="linear", **keys):
    return palm.Controller(config(folder, smart, head, **keys), overrides=[])._training_run()


def gradients_of(run, name):
    task = next(task for task in run.tasks if task.name == name)
    run.model.train()
    paddle.seed(7)
    loss = run.model.loss(task, task.batch_at(0))
    loss.backward()
    return float(loss), {key: gradient.numpy() for key, gradient in run.optimizer.gradients().items()}


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", ["水", "slots", "红"])
def test_the_kernels_agree_on_it(tmp_path, name, recompute):
    still = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0, "recompute": recompute}
    losses, gradients = zip(
        *(gradients_of(run_of(tmp_path, kernels=kernels, **still), name) for kernels in ("plain", "auto")), strict=True
    )
    without = gradients_of(run_of(tmp_path, {}, kernels="plain", **still), name)[0]
    assert losses[0] > without * (1 + 1e-4)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        np.testing.assert_allclose(gradients[1][key], gradient, atol=3e-4, rtol=1e-2, err_msg=key)


def test_dropout_is_the_same_in_all_passes(tmp_path):
    """Otherwise the distance would be that of two dropouts: without a shift to speak of there is none."""
    nearly, without = (
        gradients_of(run_of(tmp_path, smart), "水")[0]
        for smart in ({"smart_weight": 1000.0, "smart_epsilon": 1e-7}, {"smart_weight": 1e-9, "smart_epsilon": 1e-7})
    )
    assert nearly == pytest.approx(without, rel=1e-4)


def test_the_search_leaves_no_gradient_on_an_lstm(tmp_path):
    """Its weights cannot be held fixed; a distance that counts for next to nothing must not move them."""
    still = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0}
    smart, plain = (
        gradients_of(run_of(tmp_path, keys, "bilstm", **still), "slots")[1] for keys in ({"smart_weight": 1e-12}, {})
    )
    assert any("lstm" in key for key in plain)
    for key, gradient in plain.items():
        np.testing.assert_allclose(smart[key], gradient, atol=1e-6, err_msg=key)


def test_every_kind_of_task_learns(tmp_path):
    light = {"smart_weight": 1.0, "smart_epsilon": 0.01}
    palm.Controller(config(tmp_path, light, num_epochs=12, max_steps=-1), overrides=[]).train()
    figures = {line["task"]: line for line in tiny.metrics(tmp_path) if line["split"] == "dev"}
    assert figures["水"]["accuracy"] > 0.9
    assert figures["slots"]["span_f1"] > 0.9
    assert figures["红"]["pearson"] > 0.9


EXTRA = {"adversarial_epsilon": 0.5, "unfreeze_every_n_steps": 2, "gradient_accumulation_steps": 2}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with everything on, and a checkpoint of each of its steps."""
    folder = tmp_path_factory.mktemp("平滑")
    run = run_of(folder, **EXTRA)
    for result in train_steps(run):
        assert result.fault is None
        save_checkpoint(run, folder / "ckpt", keep=99)
    return folder, run


@pytest.mark.parametrize("step", [2, 5, 7])
def test_a_resumed_run_ends_in_the_same_bits(whole, tmp_path, step):
    folder, _ = whole
    resumed = run_of(tmp_path, **EXTRA)
    restore_checkpoint(resumed, folder / "ckpt" / f"step_{step}")
    list(train_steps(resumed))
    save_checkpoint(resumed, tmp_path / "ckpt", keep=1)
    for file in FILES:
        one, other = (home / "ckpt" / f"step_{STEPS}" / file for home in (folder, tmp_path))
        assert one.read_bytes() == other.read_bytes(), file


def test_a_bundle_predicts_as_the_run_does(whole, tmp_path):
    _, run = whole
    for task in run.tasks[:3]:
        file = config(tmp_path)["tasks"][task.name]["pred_file"]
        dataset = load_dataset(task.reader, Path(file), "predict")
        inside = with_rows(run_over(run.model, task, dataset, "predict").predictions, dataset, task.reader)
        save_bundle(run.model, task, "bert", tmp_path / task.name)
        assert palm.Predictor(tmp_path / task.name).predict(file) == inside


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("words", {}, r"tasks\.words\.smart_weight: SMART compares distributions.*Found `mlm`\. Set the key only for"),
        ("slots", {"head": "crf"}, r"tasks\.slots\.smart_weight: .* Found `a CRF`\."),
    ],
)
def test_paradigms_without_such_distributions_are_refused(tmp_path, name, keys, words):
    made = config(tmp_path)
    made["tasks"][name] |= {**SMART, **keys}
    with pytest.raises(ConfigError, match=words):
        palm.Controller(made, overrides=[])
