import math
import os
import sys
from pathlib import Path

import pytest

from benchmarks.speed import side_by_side
from benchmarks.speed.comparison import speed_table
from benchmarks.speed.side_by_side import Participant, Plan, Timings, WorkerError, race, ratio
from benchmarks.speed.worker import Lap


def timings(*rounds, kind=""):
    return Timings([[Lap(kind, seconds, 8) for seconds in laps] for laps in rounds], peak_bytes=0)


def test_a_rate_is_the_median_of_the_rounds():
    # 16 examples in 2 s, in 4 s and in 1 s
    assert timings((1, 1), (2, 2), (0.5, 0.5)).rate() == 8


def test_seconds_a_step_are_the_median_of_the_rounds_means():
    assert timings((1, 3), (10, 10), (1, 1)).seconds() == 2


def test_a_ratio_is_taken_within_each_round():
    # The machine is three times slower in the second round, for both: the ratio stays what it is.
    ours, theirs = timings((1,), (3,), (1,)), timings((2,), (6,), (4,))

    assert ratio(ours, theirs) == 2
    assert ratio(theirs, ours) == 0.5


def test_figures_of_one_kind_of_step():
    laps = [Lap("mrc", 2.0, 4), Lap("mlm", 1.0, 8), Lap("mrc", 4.0, 4)]
    found = Timings([laps], peak_bytes=0)

    assert found.kinds == ["mrc", "mlm"]
    assert found.seconds("mrc") == 3
    assert math.isnan(found.seconds("never drawn"))
    assert found.rate("mlm") == 8
    assert found.rate() == 16 / 7


WORKER = """
from benchmarks.speed.worker import Pace

pace = Pace.of_process()
print("a library says something")
pace.ready()
for step in range(pace.settings["most"]):
    pace.lap(lambda: pace.settings["examples"], "even" if step % 2 == 0 else "odd")
"""


@pytest.fixture
def participant(tmp_path, monkeypatch):
    (tmp_path / "my_worker.py").write_text(WORKER, encoding="utf-8")
    monkeypatch.setattr(side_by_side, "PAUSE", 0.0)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{side_by_side.ROOT}"}
    return lambda **settings: Participant(str(settings), Path(sys.executable), "my_worker", settings, environment)


def test_the_first_steps_of_a_turn_are_not_counted(participant):
    one = participant(most=100, examples=3)

    found = race([one], Plan(rounds=2, steps=2, warm_up=1, settle=1))

    # Warming up took the first, even step; each turn leaves out one more.
    assert [[lap.kind for lap in laps] for laps in found[one.name].rounds] == [["even", "odd"], ["odd", "even"]]


@pytest.mark.parametrize("together", [True, False])
def test_participants_take_turns(participant, together, capsys):
    pair = [participant(most=100, examples=3), participant(most=100, examples=5)]

    found = race(pair, Plan(rounds=2, steps=4, warm_up=1, together=together))

    for one, examples in zip(pair, (3, 5), strict=True):
        # Warming up took the first, even step.
        assert [[lap.kind for lap in laps] for laps in found[one.name].rounds] == [["odd", "even", "odd", "even"]] * 2
        assert {lap.examples for laps in found[one.name].rounds for lap in laps} == {examples}
        assert found[one.name].peak_bytes > 2**20
    lines = [line for line in capsys.readouterr().err.splitlines() if ": round" in line]
    order = [line.partition(": round")[0] for line in lines]
    assert order == [pair[0].name, pair[1].name] * 2


def test_a_worker_that_ends_early_is_named(participant):
    short = participant(most=2, examples=1)

    with pytest.raises(WorkerError, match=r"most.*: ended with exit code 0: a library says something"):
        race([short], Plan(rounds=1, steps=4, warm_up=1))


@pytest.mark.parametrize("together", [True, False])
def test_others_go_on_where_one_fails(participant, together):
    short, long = participant(most=2, examples=1), participant(most=100, examples=1)

    found = race([short, long], Plan(rounds=2, steps=4, warm_up=1, together=together))

    assert list(found) == [long.name]
    assert found.failed == {short.name: "ended with exit code 0: a library says something"}
    assert "failed: ended with exit code 0" in speed_table(found, [short.name, long.name])
