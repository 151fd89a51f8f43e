"""int8 predicts only where its cost was measured on the present weights and is small; refusals give figures."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import palm
from palm.cli.main import main
from palm.errors import CheckpointError, ConfigError
from palm.inference import int8
from palm.inference.int8 import Int8Measurement, measurement_file, read_measurement, write_measurement
from palm.kernels.fused import encoder_call
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.storage.atomic_directory import recorded_sha256
from palm.storage.layout import WEIGHTS_FILE
from tests.integration import tiny

try:
    LEVEL = load_kernels().level
except KernelsUnavailableError as reason:
    pytest.skip(f"no fused kernels: {reason}", allow_module_level=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The configuration of a finished run of two tasks; `l` has adapters, which int8 does not compute."""
    folder = tmp_path_factory.mktemp("运行")
    tasks = {"c": tiny.classification_task(folder, "c"), "l": tiny.classification_task(folder, "l", chinese=True)}
    tasks["l"]["sharing"] = "adapter"
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(tiny.config(folder, tasks, num_epochs=2), sort_keys=False), encoding="utf-8")
    assert main(["train", str(file)]) == 0
    return file


@pytest.fixture
def model(run, tmp_path) -> Path:
    """A copy of the exported model."""
    return Path(shutil.copytree(run.parent / "out/c/infer_model", tmp_path / "模型"))


@pytest.fixture(autouse=True)
def int8_here(monkeypatch):
    """As on a CPU whose kernels compute in int8; elsewhere these emulate it."""
    for module in (int8, encoder_call):
        monkeypatch.setattr(module, "kernels_here", lambda: ("float32", "bf16", "int8"))


def measured(model: Path, **changes) -> Int8Measurement:
    values = {
        **{"weights": recorded_sha256(model, WEIGHTS_FILE), "kernels": LEVEL, "data": "数据/dev.tsv", "rows": 500},
        **{"metric": "accuracy", "float32": 0.95, "int8": 0.948, "seconds": {"float32": 2.0, "int8": 1.0}},
    }
    found = Int8Measurement(**{**values, **changes})
    write_measurement(found, measurement_file(model))
    return found


def test_without_a_measurement_int8_is_refused_unless_it_is_allowed(model):
    with pytest.raises(ConfigError, match=r"Found none of these weights in .*模型/int8.json.*palm eval CONFIG TASK"):
        palm.Predictor(model, precision="int8")
    allowed = palm.Predictor(model, precision="int8", allow_unmeasured=True)
    assert allowed.precision == "predicts in int8: what it changes was not measured"
    assert palm.load(model, precision="int8", allow_unmeasured=True).precision == allowed.precision
    assert "int8" not in palm.Predictor(model).precision


def test_a_drop_above_the_limit_is_refused_with_figures(model):
    measured(model, int8=0.9448)
    with pytest.raises(ConfigError) as raised:
        palm.Predictor(model, precision="int8", allow_unmeasured=True)
    assert "int8 may cost 0.3 points of the main metric (max_drop). Found a drop of 0.52: accuracy 95.00 in float32, " \
        "94.48 in int8 (500 rows of 数据/dev.tsv)." in str(raised.value)  # fmt: skip
    assert "int8" not in palm.Predictor(model).precision
    assert "94.48 in int8" in palm.Predictor(model, precision="int8", max_drop=1).precision
    assert "94.48 in int8" in palm.load(model, max_drop=1).precision


def test_auto_takes_int8_where_it_was_faster_on_this_kind_of_cpu(model):
    measured(model)
    predictor = palm.Predictor(model)
    expected = "predicts in int8: accuracy 95.00 in float32, 94.80 in int8 (500 rows of 数据/dev.tsv)"
    assert predictor.precision == expected
    assert palm.Predictor(model, precision="float32").precision == "predicts in float32"
    for change in (
        {"seconds": {"float32": 2.0, "int8": 1.95}},
        {"seconds": {"float32": 2.0, "bf16": 0.9, "int8": 1.0}},
        {"seconds": {"int8": 1.0}},
        {"kernels": "another"},
        {"int8": 0.9},
        {"int8": math.nan},
        {"weights": "0" * 64},
    ):
        measured(model, **change)
        assert "int8" not in palm.Predictor(model).precision, change


def test_a_loss_that_rises_is_a_drop_and_a_better_model_none(model):
    assert measured(model, metric="loss", float32=0.5, int8=0.51).drop == pytest.approx(1)
    assert measured(model, float32=0.5, int8=0.51).drop == pytest.approx(-1)


def test_a_measurement_of_other_weights_counts_as_none(model):
    measured(model, weights="0" * 64)
    assert read_measurement(measurement_file(model)) is None
    with pytest.raises(ConfigError, match="none of these weights"):
        palm.Predictor(model, precision="int8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a JSON object is expected"),
        ("[]", "a JSON object is expected"),
        ('{"rows": 1}', "`weights`: Field required"),
        ('{"format_version": 2}', "`format_version`: "),
    ],
)
def test_a_damaged_measurement_is_named(model, text, message):
    (model / "int8.json").write_text(text, encoding="utf-8")
    for precision in ("auto", "int8"):
        with pytest.raises(CheckpointError, match=message):
            palm.Predictor(model, precision=precision)
    palm.Predictor(model, precision="float32")


def test_a_cpu_without_such_instructions_refuses_int8_and_auto_leaves_it(model, monkeypatch):
    measured(model)
    monkeypatch.setattr(int8, "kernels_here", lambda: ("float32",))
    with pytest.raises(ConfigError, match="AVX512-VNNI or AMX-INT8; elsewhere it is not faster"):
        palm.Predictor(model, precision="int8", allow_unmeasured=True)
    assert palm.Predictor(model).precision == "predicts in float32"


def test_plain_kernels_refuse_int8(model):
    measured(model)
    with pytest.raises(ConfigError, match=r"int8 multiplies in the fused kernels\. Found kernels: plain"):
        palm.Predictor(model, precision="int8", kernels="plain")
    assert palm.Predictor(model, kernels="plain").precision == "predicts in float32"


def test_an_encoder_with_other_parts_is_not_computed_in_another_precision_instead(run, capsys):
    model = run.parent / "out/l/infer_model"
    with pytest.raises(ConfigError, match="without adapters, LoRA, own layers or a mix of layers"):
        palm.Predictor(model, precision="int8", allow_unmeasured=True)(["大红鱼在河"])
    assert main(["eval", str(run), "l", "--precision", "int8"]) == 2
    assert "without adapters" in capsys.readouterr().err
    assert not (model / "int8.json").exists()


def test_eval_measures_and_predictions_go_by_it(run, capsys):
    model = run.parent / "out/c/infer_model"
    capsys.readouterr()
    assert main(["eval", str(run), "c", "--precision", "float32"]) == 0
    in_float32 = json.loads(capsys.readouterr().out)
    assert main(["eval", str(run), "c", "--precision", "int8"]) == 0
    printed = capsys.readouterr()
    said = r"c: int8 costs -?\d+\.\d\d points: accuracy .* in int8 \(16 rows of .*\); kept as int8\.json"
    assert re.search(said, printed.err)
    line = json.loads(printed.out)
    assert (line["task"], line["metric"], line["rows"]) == ("c", "accuracy", 16)
    assert line["float32"] == in_float32["accuracy"]
    assert line["drop"] == pytest.approx(100 * (line["float32"] - line["int8"]))
    assert set(line["seconds"]) == {"float32", "int8"}
    stored = json.loads((model / "int8.json").read_text(encoding="utf-8"))
    assert stored["format_version"] == 1
    assert {name: stored[name] for name in ("metric", "float32", "int8", "kernels")} == {
        name: line[name] for name in ("metric", "float32", "int8", "kernels")
    }
    assert [file.name for file in model.iterdir() if file.name.startswith(".")] == []
    if line["drop"] <= 0.3:
        assert main(["pred", str(model.parent), "the big red fish", "--precision", "int8"]) == 0
        assert "c: predicts in int8: accuracy" in capsys.readouterr().err
    # a model that is exported again starts without a measurement
    assert read_measurement(measurement_file(model)) is not None


def test_logits_are_near_and_not_those_of_float32(model):
    texts = [text for _, text in tiny.classification_rows(12, seed=9)]
    exact = palm.Predictor(model, precision="float32")(texts)
    found = palm.Predictor(model, precision="int8", allow_unmeasured=True)(texts)
    one, other = (np.array([each["logits"] for each in rows]) for rows in (exact, found))
    assert 0 < np.abs(one - other).max() <= 0.05 * np.abs(one).max()


def test_a_file_that_cannot_be_written_is_named(model, tmp_path):
    measurement = measured(model)
    with pytest.raises(CheckpointError, match=r"int8\.json.*cannot be written"):
        write_measurement(measurement, measurement_file(tmp_path / "absent"))


def test_the_key_is_that_of_a_configuration_and_the_command_refuses_without_traceback(run):
    command = [sys.executable, "-W", "ignore", "-m", "palm", "pred", str(run), "l", "--precision", "int8"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "int8" in done.stderr
