"""The ranks of a run: alone, by themselves, and two real processes that talk."""

import json
import logging
import re
import subprocess
import sys

import pytest

from palm.distributed.rank_environment import COUNT, EXIT_LOST, RANK
from palm.distributed.ranks import ONE, LostRanksError, Ranks, current_ranks, parts_of

TWO = """
import json, logging, os, sys, time
import numpy as np
from palm.distributed.ranks import LostRanksError, current_ranks
ranks = current_ranks()
import paddle
found = {"index": ranks.index, "count": ranks.count, "first": ranks.first}
found["warns"] = logging.getLogger("palm").isEnabledFor(logging.WARNING)
flat = paddle.to_tensor([1.0, 2.0]) * (ranks.index + 1)
ranks.sum_in_place(flat)
found["sum"] = flat.numpy().tolist()
found["bytes"] = [data.decode() for data in ranks.gather(("鱼" * ranks.index).encode())]
found["values"] = ranks.gather_values({"rank": ranks.index})
ran = []
def slow():
    ran.append(True)
    time.sleep(0.3)
    return ["鱼", 2, None]
found["result"], found["ran"] = ranks.on_first(slow), len(ran)
def fails():
    raise ValueError("the disk is full")
try:
    ranks.on_first(fails)
except (ValueError, LostRanksError) as error:
    found["error"] = f"{type(error).__name__}: {error}"
sys.stdout.write(json.dumps(found) + chr(10))
sys.stdout.flush()
if ranks.first:
    time.sleep(1)
    os._exit(0)  # without a word
while True:
    ranks.meet("one that is gone")
"""


@pytest.fixture
def environment(monkeypatch):
    """Sets Paddle's variables of a rank, and forgets the ranks of before."""

    def given(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        current_ranks.cache_clear()
        return current_ranks()

    monkeypatch.setattr(logging.getLogger("palm"), "level", logging.getLogger("palm").level)
    yield given
    current_ranks.cache_clear()


def test_one_process_returns_at_once():
    assert ONE.first
    assert ONE.gather(b"x") == [b"x"]
    assert ONE.gather_values({"a": None}) == [{"a": None}]
    assert ONE.on_first(lambda: 7) == 7
    ONE.meet("nothing")
    ONE.sum_in_place(None)
    assert ONE.start() is None


def test_without_variables_there_is_one_process(monkeypatch, environment):
    for name in (RANK, COUNT):
        monkeypatch.delenv(name, raising=False)
    assert environment() is ONE
    assert environment(PADDLE_TRAINERS_NUM="1") is ONE
    assert environment(PADDLE_TRAINERS_NUM="many") is ONE


def test_the_variables_say_which_rank_this_is(environment):
    found = environment(PADDLE_TRAINERS_NUM="3", PADDLE_TRAINER_ID="2")
    assert (found.index, found.count, found.first) == (2, 3, False)
    assert logging.getLogger("palm").level == logging.ERROR


def test_parts_are_contiguous_and_as_equal_as_can_be():
    assert parts_of(7, 3) == [(0, 2), (2, 4), (4, 7)]
    assert parts_of(1, 2) == [(0, 0), (0, 1)]
    assert parts_of(0, 2) == [(0, 0), (0, 0)]
    assert [end - start for start, end in parts_of(10, 4)] == [2, 3, 2, 3]


def test_the_end_of_a_rank_that_was_never_connected_says_nothing():
    Ranks(1, 2)._leave()


def test_an_error_of_paddle_while_ranks_talk_means_that_the_others_are_lost():
    import paddle

    ranks = Ranks(0, 2)
    lost = "the connection to the other ranks of the run is lost"
    with pytest.raises(LostRanksError, match=lost), ranks._losses_named():
        paddle.to_tensor([1.0, 2.0]).reshape([3])
    assert ranks._broken


@pytest.mark.parametrize("error", [ValueError("a wrong 值"), RuntimeError("of a signal handler")])
def test_an_error_of_other_code_while_ranks_talk_stays_what_it_is(error):
    ranks = Ranks(0, 2)
    with pytest.raises(type(error)) as found, ranks._losses_named():
        raise error
    assert found.value is error
    assert not ranks._broken


def test_two_processes_talk(tmp_path):
    from benchmarks.scale.processes import environments

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables
        )
        for variables in environments(2)
    ]
    said = [process.communicate(timeout=120) for process in processes]
    lines = [output.splitlines() for output, _ in said]
    first, second = (json.loads(each[0]) for each in lines)
    assert [first["index"], second["index"]] == [0, 1]
    assert [first["warns"], second["warns"]] == [True, False]
    assert first["sum"] == second["sum"] == [3.0, 6.0]
    assert first["bytes"] == second["bytes"] == ["", "鱼"]
    assert first["values"] == second["values"] == [{"rank": 0}, {"rank": 1}]
    assert first["result"] == second["result"] == ["鱼", 2, None]
    assert [first["ran"], second["ran"]] == [1, 0]
    assert first["error"] == "ValueError: the disk is full"
    assert second["error"] == "LostRanksError: rank 0: the disk is full"
    assert processes[1].returncode == EXIT_LOST
    lost = r"rank 0 \(\S+, pid \d+\) has ended, and with it the store of all ranks; last: starting\. Stopping\."
    assert re.search(lost, said[1][1]), said[1][1]
