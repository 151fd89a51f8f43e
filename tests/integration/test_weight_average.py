"""Runs that export a mean of their weights: what it is a mean of, exact resume, prediction."""

import numpy as np
import pytest
from safetensors.numpy import load_file

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.predict import run_over
from palm.engine.train import train_steps
from palm.errors import CheckpointError
from palm.inference.bundle import save_bundle
from palm.inference.prediction_rows import with_rows
from palm.reader.loading import load_dataset
from tests.integration import tiny

SWA = {"weight_average": "swa", "swa_start": 0.5, "gradient_accumulation_steps": 2, "lr_scheduler": "constant"}
STEPS = 12


def configuration(folder, **keys):
    tasks = {
        "水": tiny.classification_task(folder, "水", count=24, chinese=True),
        "slots": tiny.slot_task(folder, "slots"),
    }
    return tiny.config(folder, tasks, **{"max_steps": STEPS, "num_epochs": 9, **SWA, **keys})


def run_of(folder, **keys):
    folder.mkdir(exist_ok=True)
    return palm.Controller(configuration(folder, **keys), overrides=[])._training_run()


def weights(run):
    return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run, a checkpoint of each of its steps, and its weights after each."""
    folder = tmp_path_factory.mktemp("平均")
    run, seen = run_of(folder), {}
    for result in train_steps(run):
        save_checkpoint(run, folder / "ckpt", keep=99)
        seen[result.global_step] = weights(run)
    return folder, run, seen


def test_the_average_is_the_mean_of_the_weights_after_each_update_of_the_second_half(whole):
    _, run, seen = whole
    updates = [seen[step] for step in (8, 10, 12)]  # every second step is an update; 6 of 12 steps do not count
    with run.average.applied():
        for name, averaged in weights(run).items():
            wanted = np.mean([update[name].astype("float64") for update in updates], axis=0)
            np.testing.assert_allclose(averaged, wanted, rtol=1e-5, atol=1e-6, err_msg=name)
    assert any(not np.array_equal(seen[8][name], seen[12][name]) for name in seen[8])


@pytest.mark.parametrize("step", [3, 6, 8, 9])
def test_a_resumed_run_ends_in_the_same_bits(whole, tmp_path, step):
    folder, *_ = whole
    resumed = run_of(tmp_path)
    restore_checkpoint(resumed, folder / "ckpt" / f"step_{step}")
    list(train_steps(resumed))
    save_checkpoint(resumed, tmp_path / "ckpt", keep=1)
    for file in ("model.safetensors", "optimizer.safetensors", "average.safetensors", "progress.json"):
        one, other = (home / "ckpt" / f"step_{STEPS}" / file for home in (folder, tmp_path))
        assert one.read_bytes() == other.read_bytes(), file


def test_a_bundle_predicts_what_the_averaged_run_predicts(whole, tmp_path):
    folder, run, seen = whole
    task = run.tasks[0]
    dataset = load_dataset(task.reader, folder / "水.dev.tsv", "predict")
    with run.average.applied():
        inside = with_rows(run_over(run.model, task, dataset, "predict").predictions, dataset, task.reader)
        save_bundle(run.model, task, "bert", tmp_path / "model")
    saved = load_file(tmp_path / "model" / "model.safetensors")
    assert not np.array_equal(saved["backbone.pooler.dense.weight"], seen[STEPS]["backbone.pooler.dense.weight"])
    assert palm.Predictor(tmp_path / "model").predict(folder / "水.dev.tsv") == inside


def test_training_exports_the_average(tmp_path):
    palm.Controller(configuration(tmp_path, save_every_n_steps=STEPS), overrides=[]).train()
    exported = load_file(tmp_path / "out" / "水" / "infer_model" / "model.safetensors")
    average = load_file(tmp_path / "out" / "ckpt" / f"step_{STEPS}" / "average.safetensors")
    assert np.array_equal(exported["backbone.pooler.dense.weight"], average["backbone.pooler.dense.weight"])


def test_another_kind_of_average_does_not_go_on(whole, tmp_path):
    folder, *_ = whole
    with pytest.raises(CheckpointError, match=r"with weight_average `swa` .* Found `ema` now\. Set it back"):
        restore_checkpoint(run_of(tmp_path, weight_average="ema"), folder / "ckpt" / "step_9")
