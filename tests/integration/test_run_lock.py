"""Two runs in one save_path."""

import subprocess
import sys
import threading

import pytest

import palm
from palm.errors import CheckpointError
from palm.storage.run_lock import exclusive_run_lock, is_training
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


def test_whether_a_process_trains_in_a_folder(tmp_path):
    assert not is_training(tmp_path)
    with exclusive_run_lock(tmp_path):
        assert is_training(tmp_path)
    assert not is_training(tmp_path)
    assert not is_training(tmp_path / "missing")


def test_to_look_whether_a_run_trains_keeps_none_from_starting(tmp_path):
    with exclusive_run_lock(tmp_path):
        pass
    ended = threading.Event()

    def look():
        while not ended.is_set():
            is_training(tmp_path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(200):
            with exclusive_run_lock(tmp_path):
                pass
    finally:
        ended.set()
        thread.join()
