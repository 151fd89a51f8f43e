"""Files of every format version are read, and a run goes on from a checkpoint of every version."""

import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle.nn import functional
from safetensors.numpy import load_file

import palm
from palm.engine.schedule import expected_steps
from palm.kernels import autograd, plain
from palm.storage.atomic_directory import verify
from palm.storage.layout import FORMAT_VERSION
from tests.formats.write_formats import CONFIGURATIONS, HERE
from tests.integration import tiny

VERSIONS = sorted(HERE.glob("v*"))
MODELS = sorted(HERE.glob("v*/**/infer_model"))


def named(path):
    return path.relative_to(HERE).as_posix()


def test_there_are_files_of_every_version():
    wanted = [f"v{number}" for number in range(1, FORMAT_VERSION + 1)]
    wanted += [f"v{number}_sharing" for number in range(2, FORMAT_VERSION + 1)]
    assert [folder.name for folder in VERSIONS] == sorted(wanted)
    assert len(MODELS) == FORMAT_VERSION + 5 * (FORMAT_VERSION - 1)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_an_inference_model_predicts_what_it_predicted(model):
    predictions = palm.Predictor(model).predict(HERE / model.relative_to(HERE).parts[0] / "dev.tsv")
    written = json.loads((model.parent / "predictions.json").read_text(encoding="utf-8"))
    assert [row["label"] for row in predictions] == [row["label"] for row in written]
    for row, before in zip(predictions, written, strict=True):
        assert list(row["probs"].values()) == pytest.approx(list(before["probs"].values()), abs=1e-5)


def expected_total(tasks, settings, sampler):
    """What the learning rate spanned when versions 1 and 2 were written: the expected steps of all tasks."""
    assert settings.max_steps is None
    return sum(expected_steps(tasks, settings.num_epochs, sampler.epoch_steps).values())


@pytest.mark.parametrize("folder", VERSIONS, ids=named)
def test_a_run_goes_on_from_a_checkpoint_to_where_it_ended(folder, tmp_path, monkeypatch):
    verify(folder / "step_3")
    if folder.name < "v3":
        monkeypatch.setattr("palm.training.run.global_steps", expected_total)
    shutil.copytree(folder / "step_3", tmp_path / "out" / "ckpt" / "step_3")
    # Dropout was drawn otherwise then: in heads by Paddle, in the encoder from a generator that cannot skip rows.
    monkeypatch.setattr(plain, "dropout", former_dropout)
    monkeypatch.setattr(autograd, "sample_keep_mask", former_mask)
    keys = {"resume": "auto", "kernels": "plain"}
    configure = CONFIGURATIONS[folder.name.lstrip("v0123456789")]
    palm.Controller({**configure(tmp_path), **keys}, overrides=[]).train()
    assert tiny.log_lines(tmp_path)[0].endswith("at global step 3.")
    for model in (model for model in MODELS if folder in model.parents):
        task = model.parent.name if model.parent != folder else "water"
        ended = weights_of(tmp_path / "out" / task / "infer_model")
        wanted = weights_of(model)
        assert ended.keys() == wanted.keys()
        for name, weights in ended.items():
            np.testing.assert_allclose(weights, wanted[name], atol=1e-5, err_msg=name)


def former_dropout(values, probability, **_):
    """The dropout of heads, and of the encoder."""
    if sys._getframe(1).f_globals["__name__"].startswith("palm.paradigm."):
        return functional.dropout(values, probability)
    return autograd.dropout(values, probability) if probability else values


def former_mask(shape, probability, **_):
    """What an encoder's dropout keeps, and the factor."""
    seed, count = int(paddle.randint(0, 2**31 - 1, [])), math.prod(shape)
    dropped = round(probability * 2**16)
    words = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.uint16)
    return paddle.to_tensor(words[:count].reshape(shape) >= dropped), 1 / (1 - dropped / 2**16)


def weights_of(model):
    """The weights of an inference model, under today's names."""
    weights = load_file(model / "model.safetensors")
    return {name.replace("private_parts", "task_adapters"): array for name, array in weights.items()}


def test_the_files_stay_small():
    assert sum(file.stat().st_size for file in Path(HERE).glob("v*/**/*") if file.is_file()) < 800_000
