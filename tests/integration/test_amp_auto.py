"""`amp: auto`, in processes of its own: what it says, what a checkpoint records, and how a run goes on elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import palm
from palm.kernels.precision import choose_precision
from palm.storage.atomic_directory import atomic_directory
from palm.storage.layout import MANIFEST_FILE
from tests.integration import tiny

# oneDNN's products, whose check `auto` needs, then have no bfloat16.
OLD_CPU = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
TILES = pytest.mark.skipif(choose_precision("auto").computed == "off", reason="this processor has no AMX")


@pytest.fixture
def project(tmp_path):
    keys = {"num_epochs": 1, "save_every_n_steps": 2, "amp": "auto", "hidden_size": 32, "intermediate_size": 64}
    config = tiny.config(tmp_path, {"水": tiny.classification_task(tmp_path, "water", chinese=True)}, **keys)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return tmp_path


def palm_says(folder, command, *words, **environment):
    """What a command prints."""
    keys = {"PYTHONPATH": str(Path(palm.__file__).parents[1]), "PALM_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "palm", command, *words], cwd=folder, env={**os.environ, **keys, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def recorded(folder):
    files = sorted((folder / "out" / "ckpt").glob("step_*/progress.json"), key=lambda file: int(file.parent.name[5:]))
    return json.loads(files[-1].read_text(encoding="utf-8"))["amp"]


def test_what_it_chooses_is_said_once_and_recorded(project):
    said = palm_says(project, "train", "config.yaml", **OLD_CPU)
    assert said.count("amp: auto") == 1
    assert "amp: auto: products in float32 (" in said
    assert recorded(project) == "off"
    assert "amp: auto" in (project / "out" / "log.txt").read_text(encoding="utf-8")


def test_check_explains_and_doctor_reports_it(project):
    assert "amp: auto chooses float32 on this machine: " in palm_says(
        project, "check", "config.yaml", "--explain", **OLD_CPU
    )
    assert "amp: auto chooses" not in palm_says(project, "check", "config.yaml", "--explain", "--amp", "off")
    assert "amp: auto    float32: " in palm_says(project, "doctor", **OLD_CPU)


@TILES
def test_a_run_in_float32_goes_on_in_float32(project):
    palm_says(project, "train", "config.yaml", "--max_steps", "2", **OLD_CPU)
    said = palm_says(project, "train", "config.yaml", "--resume", "auto")
    warning = "Warning: The run was started in float32; amp: auto would choose bfloat16 on this machine"
    assert said.count(warning) == 1
    assert said.count("amp: auto") == 1
    assert recorded(project) == "off"


@TILES
def test_a_run_in_bfloat16_says_where_it_cannot_go_on(project):
    assert "amp: auto: products in bfloat16 (" in palm_says(project, "train", "config.yaml", "--max_steps", "2")
    assert recorded(project) == "bf16"
    said = palm_says(project, "train", "config.yaml", "--resume", "auto", **OLD_CPU)
    assert "Continuing in float32, since bfloat16 is not possible: " in said
    assert recorded(project) == "off"


@TILES
def test_a_checkpoint_of_an_older_version_goes_on_in_float32(project):
    palm_says(project, "train", "config.yaml", "--max_steps", "2", "--amp", "off")
    (file,) = (project / "out" / "ckpt").glob("step_*/progress.json")
    content = json.loads(file.read_text(encoding="utf-8"))
    del content["amp"]
    others = {other.name: other.read_bytes() for other in file.parent.iterdir() if other.name != MANIFEST_FILE}
    with atomic_directory(file.parent) as aside:
        for name, data in {**others, file.name: json.dumps(content).encode()}.items():
            (aside / name).write_bytes(data)
    said = palm_says(project, "train", "config.yaml", "--resume", "auto")
    assert "Continuing in float32, as started." in said
    assert "amp off" not in said
    assert recorded(project) == "off"
