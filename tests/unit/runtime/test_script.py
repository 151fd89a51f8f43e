"""Which processes run a user's script, and how one ends on an error of PALM."""

import sys

import pytest

from palm.distributed.rank_environment import EXIT_LOST
from palm.distributed.ranks import LostRanksError
from palm.errors import ConfigError, Problem
from palm.runtime import script


@pytest.mark.parametrize(
    "argv", [[], [""], ["-c", "--help"], ["/usr/bin/ipython"], ["ipykernel_launcher.py"], ["pytest"]]
)
def test_what_is_no_script(monkeypatch, argv):
    monkeypatch.setattr(script, "_FOREIGN_MODULES", ())
    assert not script.runs_a_script(argv)


def test_a_script(monkeypatch):
    monkeypatch.setattr(script, "_FOREIGN_MODULES", ())
    assert script.runs_a_script(["run.py"])


def test_nothing_is_a_script_under_pytest():
    assert not script.runs_a_script(["run.py"])


def test_a_foreign_hook_stays(monkeypatch):
    monkeypatch.setattr(script, "_FOREIGN_MODULES", ())
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setattr(sys, "excepthook", own := lambda *words: None)
    script.end_script_with_message()
    assert sys.excepthook is own


def test_the_message_and_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(script, "_FOREIGN_MODULES", ())
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    script.end_script_with_message()
    error = ConfigError(Problem("x.yaml:3", "a rule."))
    with pytest.raises(SystemExit) as ended:
        sys.excepthook(ConfigError, error, None)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "x.yaml:3: a rule.\n"
    with pytest.raises(SystemExit) as ended:
        sys.excepthook(LostRanksError, LostRanksError("rank 1 is lost"), None)
    assert ended.value.code == EXIT_LOST
    assert capsys.readouterr().err == "rank 1 is lost\n"
    sys.excepthook(KeyError, KeyError("mine"), None)
    assert "KeyError: 'mine'" in capsys.readouterr().err
