"""Two runs in one save_path."""

import subprocess
import sys

import pytest

import palm
from palm.errors import CheckpointError
from palm.storage.run_lock import exclusive_run_lock
from tests.integration import tiny


def controller(folder):
    task = tiny.classification_task(folder, "water", count=24)
    return palm.Controller(tiny.config(folder, {"water": task}, num_epochs=1), overrides=[])


def test_a_second_run_in_the_same_folder_is_refused_and_changes_nothing(tmp_path):
    second = controller(tmp_path)
    home = tmp_path / "out"
    home.mkdir()
    with exclusive_run_lock(home), pytest.raises(CheckpointError, match="another run is training in this folder"):
        second.train()
    assert [file.name for file in home.iterdir() if not file.name.startswith(".")] == []
    second.train()
    assert (home / "water" / "infer_model").is_dir()


def test_a_killed_run_leaves_nothing_locked(tmp_path):
    code = f"""
import os
from pathlib import Path
from palm.storage.run_lock import exclusive_run_lock
with exclusive_run_lock(Path({str(tmp_path)!r})):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with exclusive_run_lock(tmp_path):
        pass
