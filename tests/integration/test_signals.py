"""SIGTERM and Ctrl-C end `palm train` with a checkpoint; kill -9 without one loses nothing that was listed."""

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
from palm.engine.checkpoint import checkpoints, newest_checkpoint
from palm.storage.atomic_directory import verify
from tests.integration import tiny
from tests.integration.test_resume import fingerprint, tasks

KEYS = {"num_epochs": 4, "use_ema": True, "ema_decay": 0.9, "gradient_accumulation_steps": 2}


def write_config(folder, **keys):
    folder.mkdir(exist_ok=True)
    made = tiny.config(folder, tasks(folder), **{**KEYS, **keys})
    (folder / "config.yaml").write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")


def start(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(Path(palm.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "palm", "train", str(folder / "config.yaml"), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, words):
    """Read the process's lines up to one that holds `words`."""
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"no `{words}` before the end: {process.stderr.read()}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of a run that was not stopped."""
    folder = tmp_path_factory.mktemp("whole")
    write_config(folder, save_every_n_steps=1000)
    process = start(folder)
    process.communicate(timeout=120)
    assert process.returncode == 0
    return folder / "out"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_from_which_another_process_ends_in_the_same_bits(tmp_path, whole, number, code):
    write_config(tmp_path / "run", save_every_n_steps=1000)
    process = start(tmp_path / "run")
    wait_for(process, "Global step: 5.")
    process.send_signal(number)
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == code, complaint
    assert "Traceback" not in complaint
    assert f"{number.name}: stopping after this step, with a checkpoint. Send it again to quit at once." in complaint
    newest, complaints = newest_checkpoint(tmp_path / "run" / "out" / "ckpt")
    assert complaints == []
    step = int(newest.name.removeprefix("step_"))
    assert f"Stopped by {number.name} after global step {step}." in said
    again = start(tmp_path / "run", "--resume")
    said, complaint = again.communicate(timeout=120)
    assert again.returncode == 0, complaint
    assert f"at global step {step}." in said
    ends = [newest_checkpoint(home / "ckpt")[0] for home in (whole, tmp_path / "run" / "out")]
    assert ends[0].name == ends[1].name
    assert fingerprint(ends[0]) == fingerprint(ends[1])
    for task in ("water", "slots"):
        weights = [home / task / "infer_model" / "model.safetensors" for home in (whole, tmp_path / "run" / "out")]
        assert weights[0].read_bytes() == weights[1].read_bytes()


def test_the_second_signal_quits_at_once(tmp_path):
    """Saving takes for ever here, as on a disk that does not answer."""
    write_config(tmp_path / "run", save_every_n_steps=1)
    stuck = (
        "import time, palm.storage.atomic_directory; palm.storage.atomic_directory._sync = lambda path: time.sleep(600)"
    )
    train = f"from palm.cli.main import main; main({['train', str(tmp_path / 'run' / 'config.yaml')]!r})"
    environment = {**os.environ, "PYTHONPATH": str(Path(palm.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", f"{stuck}; {train}"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(process, "Global step: 1.")
    process.send_signal(signal.SIGINT)
    line = process.stderr.readline() or ""
    while "stopping after this step" not in line:
        line = process.stderr.readline()
    assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - asked < 5
    assert process.returncode == -signal.SIGINT, "a shell shows this as 130"
    assert newest_checkpoint(tmp_path / "run" / "out" / "ckpt") == (None, [])


def test_a_signal_at_the_end_of_a_finished_run_changes_nothing(tmp_path, monkeypatch):
    """It comes in the last step: there is nothing to stop, and all is saved."""
    write_config(tmp_path / "run", max_steps=3, save_every_n_steps=3)
    controller = palm.Controller(str(tmp_path / "run" / "config.yaml"), overrides=[])
    from palm.training.log import Reporter

    true_log = Reporter.log
    monkeypatch.setattr(
        Reporter,
        "log",
        lambda self, line: (
            true_log(self, line),
            os.kill(os.getpid(), signal.SIGTERM) if line.startswith("Global step: 3.") else None,
        ),
    )
    controller.train()
    assert (tmp_path / "run" / "out" / "ckpt" / "step_3").is_dir()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_library_user_in_another_thread_trains_without_signals(tmp_path):
    from threading import Thread

    write_config(tmp_path / "run", max_steps=2, save_every_n_steps=2)
    controller = palm.Controller(str(tmp_path / "run" / "config.yaml"), overrides=[])
    thread = Thread(target=controller.train)
    thread.start()
    thread.join()
    verify(tmp_path / "run" / "out" / "ckpt" / "step_2")


def test_kills_at_random_moments_until_done(tmp_path, whole):
    """`benchmarks/faults/kills.py` does this often; here it is three kills."""
    write_config(tmp_path / "run", save_every_n_steps=1)
    home = tmp_path / "run" / "out" / "ckpt"
    for number in range(3):
        process = start(tmp_path / "run", "--resume")
        wait_for(process, "checkpoint saved")
        time.sleep(0.013 * number)
        process.kill()
        process.communicate()
        for path in checkpoints(home):
            verify(path)
    process = start(tmp_path / "run", "--resume")
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    ends = [newest_checkpoint(folder)[0] for folder in (whole / "ckpt", home)]
    assert fingerprint(ends[0]) == fingerprint(ends[1])
    assert not [path for path in home.iterdir() if path.name.startswith(".")], "what killed processes left is swept up"
    shutil.rmtree(home)
