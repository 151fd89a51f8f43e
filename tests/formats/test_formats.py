"""Files of every format version are read, and a run goes on from a checkpoint of every version."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import palm
from palm.default_settings import FORMAT_VERSION
from palm.folders import verify
from tests.formats.write_formats import HERE, configuration
from tests.integration import tiny

VERSIONS = sorted(HERE.glob("v*"))


def test_there_are_files_of_every_version():
    assert [folder.name for folder in VERSIONS] == [f"v{number}" for number in range(1, FORMAT_VERSION + 1)]


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_an_inference_model_predicts_what_it_predicted(folder):
    predictions = palm.Predictor(folder / "infer_model").predict(folder / "dev.tsv")
    written = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
    assert [row["label"] for row in predictions] == [row["label"] for row in written]
    for row, before in zip(predictions, written, strict=True):
        assert list(row["probs"].values()) == pytest.approx(list(before["probs"].values()), abs=1e-5)


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_a_run_goes_on_from_a_checkpoint_to_where_it_ended(folder, tmp_path):
    verify(folder / "step_3")
    shutil.copytree(folder / "step_3", tmp_path / "out" / "ckpt" / "step_3")
    # The fused kernels draw their dropout otherwise than the operations these versions were written with.
    keys = {"resume": "auto", "kernels": "plain"}
    palm.Controller({**configuration(tmp_path), **keys}, overrides=[]).train()
    assert tiny.log_lines(tmp_path)[0].endswith("at global step 3.")
    ended = load_file(tmp_path / "out" / "water" / "infer_model" / "model.safetensors")
    wanted = load_file(folder / "infer_model" / "model.safetensors")
    assert ended.keys() == wanted.keys()
    for name, weights in ended.items():
        np.testing.assert_allclose(weights, wanted[name], atol=1e-5, err_msg=name)


def test_the_files_stay_small():
    assert sum(file.stat().st_size for file in Path(HERE).glob("v*/**/*") if file.is_file()) < 200_000
