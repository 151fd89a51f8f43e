"""The process of a rank: its output, signals, and the words for its end."""

import os
import signal
import sys
import time

import pytest

from palm.distributed.rank_environment import RankPlace
from palm.distributed.rank_process import RankProcess, start_rank


def started(code: str, log=None) -> RankProcess:
    place = RankPlace(1, 1, 1, 2)
    return start_rank(place, [sys.executable, "-c", code], dict(os.environ), log, append=False)


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        ("raise SystemExit(2)", 2, "ended with exit code 2"),
        ("import os; os.kill(os.getpid(), 9)", 137, "was killed by SIGKILL"),
        ("import os; os.kill(os.getpid(), 40)", 168, "was killed by signal 40"),
    ],
)
def test_the_end_is_told_as_a_shell_does(code, exit_code, words):
    rank = started(code)
    rank.process.wait(timeout=20)
    assert (rank.exit_code, rank.how_it_ended()) == (exit_code, words)
    assert rank.note_end()
    assert not rank.note_end()  # once
    rank.send(signal.SIGTERM)  # nothing: the number may be another process's by now


def test_output_goes_to_the_log_as_it_comes(tmp_path):
    log = tmp_path / "rank1.log"
    rank = started("import time; print('鱼'); time.sleep(60)", log)
    end = time.monotonic() + 20
    while not log.read_text(encoding="utf-8") and time.monotonic() < end:
        time.sleep(0.02)
    assert log.read_text(encoding="utf-8") == "鱼\n"
    rank.send(signal.SIGKILL)
    assert rank.process.wait(timeout=20) == -signal.SIGKILL
