"""Two machines, as two network namespaces of this one; skipped where these are not allowed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import palm

ROOT = Path(palm.__file__).parents[1]
SCRIPT = Path(__file__).with_name("rank_script.py")
TIMEOUT = 3.0
MASTER = "10.77.0.1"
LAUNCH = (
    "import sys; from pathlib import Path; from palm.distributed.launch import LaunchPlan, launch\n"
    "sys.exit(launch(LaunchPlan(command=sys.argv[3:], resume=[], logs=Path(sys.argv[1]), per_machine=1, machines=2,"
    f" machine=int(sys.argv[2]), master=('{MASTER}', 29517), rank_timeout={TIMEOUT})))"
)


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def machines():
    """The names of two namespaces, 10.77.0.1 and 10.77.0.2, joined by a cable."""
    if shutil.which("ip") is None:
        pytest.skip("needs iproute2")
    names = [f"palm{os.getpid()}{side}" for side in "ab"]
    cables = [f"pv{os.getpid()}{side}" for side in "ab"]
    made = ip("netns", "add", names[0])
    if made.returncode:
        pytest.skip(f"network namespaces are not allowed here: {made.stderr.strip()}")
    try:
        ip("netns", "add", names[1])
        joined = ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
        if joined.returncode:
            pytest.skip(f"virtual network cables are not allowed here: {joined.stderr.strip()}")
        for number, (name, cable) in enumerate(zip(names, cables, strict=True), start=1):
            ip("link", "set", cable, "netns", name)
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", cable)
            ip("-n", name, "link", "set", cable, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield list(zip(names, cables, strict=True))
    finally:
        for name in names:
            ip("netns", "del", name)


def start(folder, name, number, *misbehaviour):
    """One machine's supervisor with its rank; it keeps output of its own, as machines do."""
    own = folder / str(number)
    own.mkdir()
    kept = {key: value for key, value in os.environ.items() if key != "GLOO_SOCKET_IFNAME"}
    environment = {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    rank = [sys.executable, str(SCRIPT), str(own), *map(str, misbehaviour)]
    return subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, "-c", LAUNCH, str(own), str(number), *rank],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_machines_train_together(machines, tmp_path):
    started = [start(tmp_path, name, number) for number, (name, _) in enumerate(machines)]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert [text.splitlines()[-1] for text in said] == ["rank 0 of 2: step 8", "rank 1 of 2: step 8"]


@pytest.mark.slow
@pytest.mark.parametrize("who", [0, 1])
def test_a_machine_that_leaves_the_network_is_named_by_the_other(machines, tmp_path, who):
    """Rank 1 waits long enough in step 5 for the cable to be pulled; both ranks then miss the other."""
    started = [start(tmp_path, name, number, "slow", 1, 5) for number, (name, _) in enumerate(machines)]
    first = started[0]
    while "step 4" not in first.stdout.readline():
        pass
    name, cable = machines[who]
    ip("-n", name, "link", "set", cable, "down")
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [3, 3], said
    for number, text in enumerate(said):
        assert re.search(rf"rank {1 - number} \(\S+, pid \d+\) has not answered for [23] s; last: ", text), text
    assert (tmp_path / "0" / "emergency_of_0").read_text() == "step 4"
