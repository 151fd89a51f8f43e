"""Every warning that PALM logs is seen on stderr, in a process of its own: by `palm`, and by a script."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import palm
from tests.integration import tiny

PACKAGE = Path(palm.__file__).parent


@pytest.fixture
def project(tmp_path):
    """A configuration of one small task, and a cache of its own."""
    config = tiny.config(tmp_path, {"水": tiny.classification_task(tmp_path, "water", chinese=True)}, num_epochs=1)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return tmp_path


def run(folder, *words, package=PACKAGE.parent, **environment):
    """stderr of a process that runs `python …` in `folder`."""
    keys = {"PYTHONPATH": str(package), "PALM_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **keys, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def train(folder, *flags, **keys):
    return run(folder, "-m", "palm", "train", "config.yaml", *flags, **keys)


def test_no_gpu_is_named_once(project):
    said = train(project, "--use_gpu", "true")
    assert said.count("Warning: No GPU is usable by this Paddle: computing on the CPU.") == 1


def test_bf16_that_the_processor_lacks_is_named(project):
    said = train(project, "--amp", "bf16", ONEDNN_MAX_CPU_ISA="AVX2")
    assert said.count("Warning: amp: bf16 cannot be used: ") == 1


def test_missing_kernels_are_named(project):
    shutil.copytree(PACKAGE, project / "copy" / "palm", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    said = train(project, package=project / "copy")
    assert said.count("Warning: Computing with Paddle's own operations, which are slower than the fused kernels: ") == 1


def test_a_damaged_entry_of_the_cache_is_named(project):
    rows = (project / "water.train.tsv").read_text(encoding="utf-8").splitlines()
    large = [rows[0], *(rows[1:] * 200)]  # smaller files are not cached
    (project / "water.train.tsv").write_text("\n".join(large) + "\n", encoding="utf-8")
    assert "damaged" not in train(project, "--max_steps", "1")
    file = next(path for path in (project / "cache").rglob("*.npy") if "token_ids" in path.name)
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    assert "this cache entry is damaged, so it is rebuilt." in train(project, "--max_steps", "1")


def test_notes_about_rows_are_seen(project):
    with (project / "water.dev.tsv").open("a", encoding="utf-8") as file:
        file.write("火\t大红鱼在河\n")
    assert "water.dev.tsv: " in (said := train(project, "--on_unknown_label", "count_as_wrong"))
    assert "火" in said


def test_an_average_without_decay_is_named(project):
    assert "Warning: ema_decay: with 0 the average equals the latest weights." in train(
        project, "--use_ema", "true", "--ema_decay", "0"
    )


SCRIPT = """
import logging, palm
controller = palm.Controller({config!r}, overrides=[])
logging.getLogger("mine").warning("a warning of my own")
logging.basicConfig(format="MINE %(message)s", level=logging.INFO)
logging.info("said by my own configuration")
controller.train()
logging.getLogger("mine").info("and after training")
"""


def test_a_script_sees_its_own_warnings_and_palms(project):
    config = json.loads(json.dumps(yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))))
    (project / "script.py").write_text(SCRIPT.format(config={**config, "use_gpu": True}), encoding="utf-8")
    lines = run(project, "script.py").splitlines()
    assert "No GPU is usable by this Paddle" in "\n".join(lines)
    for line in ("a warning of my own", "MINE said by my own configuration", "MINE and after training"):
        assert line in lines
