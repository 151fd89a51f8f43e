"""Real ranks over gloo: started, stopped, killed, hanging, under `launch` and under Paddle's own launch module."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import palm

ROOT = Path(palm.__file__).parents[1]
SCRIPT = Path(__file__).with_name("rank_script.py")
TIMEOUT = 3.0
LAUNCH = (
    "import sys; from pathlib import Path; from palm.distributed.launch import LaunchPlan, launch\n"
    "sys.exit(launch(LaunchPlan(command=sys.argv[2:], resume=[], logs=Path(sys.argv[1]), per_machine=2,"
    " rank_timeout={timeout}, **{given})))"
)


def start(folder, *misbehaviour, **given):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    program = LAUNCH.format(timeout=TIMEOUT, given=given)
    command = [sys.executable, str(SCRIPT), str(folder), *map(str, misbehaviour)]
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder), *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    said, complaints = process.communicate(timeout=60)
    lines = [line for line in complaints.splitlines() if not line.startswith(("=====", "FLAGS("))]  # Paddle's
    return process.returncode, said, "".join(f"{line}\n" for line in lines)


def ranks_alive(folder):
    """Processes whose command line names the folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in file.read_bytes() and int(file.parent.name) != os.getpid():
                found.append(file.parent.name)
        except OSError:
            continue
    return found


def test_all_ranks_run_to_the_end(tmp_path):
    code, said, complaints = finish(start(tmp_path))
    assert (code, complaints) == (0, "")
    assert said.splitlines()[-1] == "rank 0 of 2: step 8"
    assert (tmp_path / "rank1.log").read_text().splitlines()[-1] == "rank 1 of 2: step 8"


# Twice the longest step, where that is longer than the timeout, as on a machine that is busy.
LATE = r"does not come to where the others have waited for \d+ s, its main thread"
WHY = {
    "kill": r"was killed by SIGKILL",
    "stop": r"has not answered for \d+ s",
    "raise": r"raised ValueError: a wrong 值",
    "loop": rf"{LATE} computes at \S+/rank_script.py:\d+",
    "lock": rf"{LATE} stands still at \S+/rank_script.py:\d+",
}
OTHER_WAY_ROUND = [("kill", 0), ("stop", 1), ("raise", 0), ("lock", 1)]
CODES = {"kill": 137, "stop": 3, "raise": 1, "loop": 3, "lock": 3}


@pytest.mark.parametrize(
    ("what", "who"),
    [
        ("kill", 1),
        ("stop", 0),
        ("raise", 1),
        ("loop", 0),
        *(pytest.param(what, who, marks=pytest.mark.slow) for what, who in OTHER_WAY_ROUND),
    ],
)
def test_a_rank_that_is_lost_is_named_and_the_other_leaves_a_checkpoint(tmp_path, what, who):
    process = start(tmp_path, what, who, 5)
    code, _, complaints = finish(process)
    ended = time.time()
    assert code == CODES[what], complaints
    assert ranks_alive(tmp_path) == []
    last = "last: step [2-5]"  # of its last beat, which is a step or two old on a busy machine
    sentence = rf"rank {who} \(\S+, pid \d+\) {WHY[what]}; {last}"
    living = complaints if who == 1 else (tmp_path / "rank1.log").read_text(encoding="utf-8")
    # Before the supervisor has told why: rank 0 holds the store.
    store = rf"rank 0 \(\S+, pid \d+\) has ended, and with it the store of all ranks; {last}"
    assert re.search(rf"({sentence}|{store})(, waiting for [a-z ]+)?\. Stopping\.", living), living
    assert re.search(sentence, complaints), complaints
    other = 1 - who
    assert (tmp_path / f"emergency_of_{other}").read_text() == "step 4"
    assert not (tmp_path / f"emergency_of_{who}").exists()
    assert f"A checkpoint of the last finished step is at {tmp_path}/emergency_of_{other}" in complaints
    assert ended - float((tmp_path / "moment").read_text()) < TIMEOUT + 20  # also on a busy machine
    if (what, who) == ("raise", 1):
        assert "  rank 1: Traceback (most recent call last):\n" in complaints
        assert "  rank 1: ValueError: a wrong 值\n" in complaints


@pytest.mark.slow
def test_a_long_evaluation_of_one_rank_is_waited_for(tmp_path):
    """Twice as long as the timeout: its process answers, and it is not within a step."""
    code, said, complaints = finish(start(tmp_path, "slow", 1, 5))
    assert (code, complaints) == (0, "")
    assert said.splitlines()[-1] == "rank 0 of 2: step 8"


def test_a_signal_stops_all_ranks_after_the_same_step(tmp_path):
    process = start(tmp_path)
    while "step 2" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    code, said, complaints = finish(process)
    assert (code, complaints) == (143, "")
    steps = [(tmp_path / f"emergency_of_{rank}").read_text() for rank in (0, 1)]
    assert steps[0] == steps[1] == said.splitlines()[-1].partition(": ")[2]


@pytest.mark.slow
def test_a_rank_that_was_lost_is_started_again(tmp_path):
    """It is killed in both attempts, since the script says of no run that it has begun."""
    code, _, complaints = finish(start(tmp_path, "kill", 1, 1, max_restarts=1))
    assert code == 137
    assert complaints.count("Restart 1 of 1, from the beginning.") == 1
    assert (
        len(re.findall(r"was killed by SIGKILL; last: (?:step 1(?:, waiting for [a-z ]+)?|starting)\.\n", complaints))
        == 2
    )


def paddle_launch(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    options = ["--nproc_per_node", "2", "--log_dir", str(folder / "log")]
    command = [sys.executable, "-m", "paddle.distributed.launch", *options, str(SCRIPT), str(folder), *map(str, words)]
    environment["PALM_RANK_TIMEOUT"] = str(TIMEOUT)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_paddles_own_launch_module_starts_a_script(tmp_path):
    process = paddle_launch(tmp_path)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "rank 1 of 2: step 8" in (tmp_path / "log" / "workerlog.1").read_text()


@pytest.mark.slow
def test_ranks_of_paddles_launch_module_stop_when_it_is_killed(tmp_path):
    process = paddle_launch(tmp_path)
    log = tmp_path / "log" / "workerlog.0"
    while not log.exists() or "step 2" not in log.read_text():
        time.sleep(0.05)
    process.kill()
    process.communicate()
    end = time.monotonic() + 10
    while ranks_alive(tmp_path) and time.monotonic() < end:
        time.sleep(0.1)
    assert ranks_alive(tmp_path) == []
    assert (tmp_path / "emergency_of_0").is_file()
