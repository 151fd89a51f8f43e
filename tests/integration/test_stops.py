"""Stops at the worst moments, and streams and folders that go away: in processes of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import palm
from palm.engine.checkpoint import newest_checkpoint
from tests.integration import tiny
from tests.palm_command import palm_here

ROOT = str(Path(palm.__file__).parents[1])


def write_config(folder, **keys):
    folder.mkdir(exist_ok=True)
    tasks = {
        "水": tiny.classification_task(folder, "water", chinese=True),
        "air": tiny.classification_task(folder, "air"),
    }
    made = tiny.config(folder, tasks, **keys)
    (folder / "config.yaml").write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    return folder


def environment(**more):
    return {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1", **more}


def palm_command(folder, command, *words):
    return [sys.executable, "-W", "ignore", "-m", "palm", command, str(folder / "config.yaml"), *words]


def run(folder, command, *words):
    """Another process than the one that was stopped; what it does is the same in this one."""
    return palm_here(command, folder / "config.yaml", *words)


def run_with_signal_at(folder, place, *words, command="train"):
    """The process gets a SIGTERM when it calls `place`, `module:name`, for the first time."""
    module, _, name = place.partition(":")
    code = f"""
import importlib, os, signal, sys
from palm.cli.main import main
import palm
palm.Controller
home = importlib.import_module({module!r})
*owner, last = {name!r}.split(".")
for part in owner:
    home = getattr(home, part)
true, sent = getattr(home, last), []
def wrapped(*args, **keys):
    if not sent:
        sent.append(os.kill(os.getpid(), signal.SIGTERM))
    return true(*args, **keys)
setattr(home, last, wrapped)
sys.exit(main({[command, str(folder / "config.yaml"), *words]!r}))
"""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment(), capture_output=True, text=True
    )


STAGES = {"stages": {"first": {"num_epochs": 1}, "second": {"num_epochs": 1}}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two stages that was not stopped."""
    folder = write_config(tmp_path_factory.mktemp("whole"), **STAGES)
    assert run(folder, "train").returncode == 0
    return folder


@pytest.mark.parametrize(
    "place",
    [
        "palm.training.evaluation:evaluate_task",
        "palm.training.evaluation:save_bundle",
        "palm.controller:save_encoder",
        "palm.training.evaluation:Exports.export",
    ],
)
def test_a_signal_at_the_end_of_a_stage_stops_before_the_next(tmp_path, whole, place):
    folder = write_config(tmp_path / "cut", **STAGES)
    done = run_with_signal_at(folder, place)
    assert done.returncode == 143, done.stderr
    assert "Traceback" not in done.stderr
    assert "Stage second:" not in done.stdout
    assert "Stopped by SIGTERM after " in done.stdout
    again = run(folder, "train", "--resume")
    assert again.returncode == 0, again.stderr
    ends = [home / "out" / "second" / "水" / "infer_model" / "model.safetensors" for home in (whole, folder)]
    assert ends[0].read_bytes() == ends[1].read_bytes()


def test_a_signal_between_the_runs_of_a_comparison_ends_it(tmp_path):
    folder = write_config(tmp_path / "run", max_steps=2)
    done = run_with_signal_at(folder, "palm.compare.runs:read_outcome", command="compare")
    assert done.returncode == 143, done.stderr
    assert done.stdout.count("] ") == 1
    again = run(folder, "compare")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done before") == 1


def test_a_signal_before_training_prints_no_trace(tmp_path):
    folder = write_config(tmp_path / "run")
    code = "import os, signal, palm; palm.Controller; os.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == -signal.SIGTERM
    assert (done.stdout, done.stderr) == ("", "")


def checked(folder, code, complaint):
    """The run went on to its end, without a traceback, and left its checkpoint."""
    assert code == 0, complaint
    assert "Traceback" not in complaint
    assert "Exception ignored" not in complaint
    assert complaint.count("stdout cannot be written any more") == 1
    log = (folder / "out" / "log.txt").read_text(encoding="utf-8")
    assert "air: train finished!" in log
    assert newest_checkpoint(folder / "out" / "ckpt")[0] is not None


def test_a_reader_of_stdout_that_leaves_costs_no_step(tmp_path):
    folder = write_config(tmp_path / "run", save_every_n_steps=1000)
    process = subprocess.Popen(
        palm_command(folder, "train"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        complaint = process.stderr.read()
    checked(folder, process.wait(timeout=120), complaint)


def test_a_full_disk_behind_stdout_costs_no_step(tmp_path):
    folder = write_config(tmp_path / "run", save_every_n_steps=1000)
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            palm_command(folder, "train"),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    checked(folder, done.returncode, done.stderr)


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_traceback(tmp_path, streams):
    folder = write_config(tmp_path / "run", save_every_n_steps=1000, max_steps=3)
    words = " ".join(f"'{word}'" for word in palm_command(folder, "train"))
    done = subprocess.run(["sh", "-c", f"{words} {streams}"], env=environment(), capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (0, False), done.stderr
    assert (folder / "out" / "ckpt" / "step_3").is_dir()


def test_a_removed_save_path_is_noticed(tmp_path):
    folder = write_config(tmp_path / "run", num_epochs=200)
    process = subprocess.Popen(
        palm_command(folder, "train"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while "Global step: 3." not in process.stdout.readline():
        time.sleep(0.01)
    shutil.rmtree(folder / "out")
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "save_path was removed or renamed while a run trained into it" in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize("keys", [{}, {"save_every_n_steps": 1000}, {"selection": {"水": 1.0}}])
def test_a_finished_run_is_not_trained_again(tmp_path, keys):
    folder = write_config(tmp_path / "run", **keys)
    assert run(folder, "train").returncode == 0
    model = folder / "out" / "水" / "infer_model" / "model.safetensors"
    before = (model.stat().st_mtime_ns, (folder / "out" / "metrics.jsonl").read_bytes())
    again = run(folder, "train", "--resume")
    assert again.returncode == 0
    assert "had ended" in again.stdout
    assert "nothing is left to train." in again.stdout
    assert "Global step" not in again.stdout
    assert (model.stat().st_mtime_ns, (folder / "out" / "metrics.jsonl").read_bytes()) == before


def test_a_finished_run_with_other_keys_is_another_run(tmp_path):
    folder = write_config(tmp_path / "run")
    assert run(folder, "train").returncode == 0
    again = run(folder, "train", "--resume", "--num_epochs", "3")
    assert "No checkpoint to resume from: training starts anew." in again.stdout
    assert "Global step" in again.stdout


def test_a_pipe_is_not_called_a_folder(tmp_path):
    folder = write_config(tmp_path / "run")
    os.mkfifo(tmp_path / "pipe")
    done = run(folder, "check", "--tasks.air.train_file", str(tmp_path / "pipe"))
    assert done.returncode == 2
    assert "Found the device, pipe or socket" in done.stderr
