"""`palm train --nproc 2`: a rank that is lost, and a signal; both runs continue to the bits of one left alone."""

import signal

import pytest

from benchmarks.faults.ranks import Fault, problems_after, start
from benchmarks.faults.small_run import fingerprint, write_config
from palm.engine.checkpoint import newest_checkpoint
from palm.report.run_folder import read_run

pytestmark = pytest.mark.slow

# With several batches per update, a checkpoint between two of them holds one sum over all ranks, and the rest of the
# run differs by rounding.
KEYS = {"save_every_n_steps": 4, "gradient_accumulation_steps": 1}


def finish(folder, site, *words):
    process = start(folder, site, *words)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_config(folder, **KEYS)
    finish(folder, folder)
    return fingerprint(folder)


@pytest.mark.parametrize("fault", [Fault("kill", 1, 0.1), Fault("stop", 0, 0.1)])
def test_a_lost_rank_is_named_and_the_run_resumes(tmp_path, whole, fault):
    write_config(tmp_path, **KEYS)
    assert problems_after(fault, tmp_path, tmp_path, timeout=5.0) == []
    finish(tmp_path, tmp_path, "--resume")
    found = fingerprint(tmp_path)
    if fault.rank == 0:  # which had no time to write down the step that it is saved after
        found["metrics.jsonl"] = whole["metrics.jsonl"]
    assert found == whole


def test_a_signal_to_palm_train_stops_all_ranks_with_a_checkpoint(tmp_path, whole):
    write_config(tmp_path, **KEYS)
    process = start(tmp_path, tmp_path)
    while not process.stdout.readline().startswith("Global step: 5."):
        pass
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert said.count("SIGTERM: stopping after this step, with a checkpoint.") == 1
    newest, complaints = newest_checkpoint(tmp_path / "out" / "ckpt")
    assert complaints == []
    assert f"Stopped by SIGTERM after global step {newest.name.removeprefix('step_')}." in said
    assert "SIGTERM: stopping" in (tmp_path / "out" / "ranks" / "rank1.log").read_text(encoding="utf-8")
    finish(tmp_path, tmp_path, "--resume")
    assert fingerprint(tmp_path) == whole


def test_a_lost_rank_is_started_again_from_the_newest_checkpoint(tmp_path, whole):
    write_config(tmp_path, **KEYS)
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, threading, time\n"
        f"mark, saved = {str(tmp_path / 'once')!r}, {str(tmp_path / 'out' / 'ckpt' / 'step_4')!r}\n"
        "def end():\n"
        "    while not os.path.exists(saved): time.sleep(0.01)\n"
        "    open(mark, 'w').close(); os.kill(os.getpid(), 9)\n"
        "if os.environ.get('PADDLE_TRAINER_ID') == '1' and 'palm' in sys.orig_argv and not os.path.exists(mark):\n"
        "    threading.Thread(target=end, daemon=True).start()\n",
        encoding="utf-8",
    )
    said = finish(tmp_path, tmp_path, "--max_restarts", "1")
    assert "Restart 1 of 1, from the newest checkpoint." in said
    assert fingerprint(tmp_path) == whole
    events = read_run(tmp_path / "out").log.of("lost", "restarted", "resumed")
    assert [event.kind for event in events] == ["lost", "lost", "restarted", "resumed"], (
        "rank 0 ended because of rank 1"
    )
