import os

import pytest

from benchmarks.speed import quiet
from benchmarks.speed.quiet import HELD, quiet_machine


@pytest.fixture(autouse=True)
def own_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(quiet, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(quiet, "_LOOK", 0.0)
    monkeypatch.setattr(quiet, "_AGAIN", 0.0)
    monkeypatch.delenv(HELD, raising=False)


def busy(monkeypatch, *found):
    answers = iter(found)
    monkeypatch.setattr(quiet, "busy_cores", lambda _: next(answers))


def test_a_quiet_machine_is_held_and_its_load_written_down(monkeypatch):
    busy(monkeypatch, 0.04)
    with quiet_machine(limit=0.15, wait=0) as facts:
        assert os.environ[HELD]
        assert facts["load"].startswith("0.04 cores busy before the first turn")
    assert HELD not in os.environ


def test_a_busy_machine_is_waited_for(monkeypatch, capsys):
    busy(monkeypatch, 1.5, 1.5, 0.1)
    with quiet_machine(limit=0.15, wait=60) as facts:
        assert facts["load"].startswith("0.10")
    assert capsys.readouterr().err.count("other processes keep 1.50 cores busy (--load 0.15)") == 2


def test_a_machine_that_stays_busy_is_refused(monkeypatch):
    busy(monkeypatch, 1.5)
    with (
        pytest.raises(SystemExit, match=r"other processes may keep 0.15 cores busy. Found 1.50"),
        quiet_machine(limit=0.15, wait=0),
    ):
        pass


def test_a_second_benchmark_is_refused_but_not_one_of_the_set(monkeypatch):
    busy(monkeypatch, 0.0, 0.0, 0.0)
    with quiet_machine(limit=1, wait=0):
        with quiet_machine(limit=1, wait=0):
            pass  # started by the one that holds the lock
        monkeypatch.delenv(HELD)
        with pytest.raises(SystemExit, match="another benchmark still runs"), quiet_machine(limit=1, wait=0):
            pass
        monkeypatch.setenv(HELD, "held")


def test_busy_time_leaves_out_idle_and_waiting(tmp_path):
    file = tmp_path / "stat"
    file.write_text("cpu  100 20 30 5000 400 5 6 7 0 0\ncpu0 1 1\n", encoding="ascii")
    assert quiet._busy_seconds(file) == pytest.approx(168 / os.sysconf("SC_CLK_TCK"))
