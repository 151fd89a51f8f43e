import sys
from types import SimpleNamespace

import pytest

from palm.training.display.choice import display_for, is_notebook, is_terminal_for_panels
from palm.training.display.terminal import TerminalDisplay
from tests.live_runs import new_run, terminal


def run():
    return new_run(["意图"])


def never():
    raise AssertionError("described although nothing shows it")


def test_a_terminal_has_a_panel(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    with terminal():
        live, display = display_for(run, "panel")
        assert isinstance(display, TerminalDisplay)
        assert "意图" in live.tasks


def test_lines_are_shown_where_they_are_asked_for(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    with terminal():
        assert display_for(never, "lines") is None


@pytest.mark.parametrize("term", ["dumb", "unknown", "", None])
def test_a_terminal_that_cannot_move_its_cursor_has_lines(monkeypatch, term):
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    with terminal():
        assert display_for(never, "panel") is None


def test_pipes_and_other_encodings_have_lines(monkeypatch, capfd):
    monkeypatch.setenv("TERM", "xterm")
    assert display_for(never, "panel") is None
    with terminal():
        assert is_terminal_for_panels()
        monkeypatch.setattr(sys, "stderr", sys.__stderr__)
        assert not is_terminal_for_panels(), "stderr is no terminal"
    with terminal():
        sys.stdout.reconfigure(encoding="ascii")
        assert not is_terminal_for_panels()


def test_only_the_first_rank_has_a_display(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("palm.training.display.choice.current_ranks", lambda: SimpleNamespace(first=False))
    with terminal():
        assert display_for(never, "panel") is None


def test_a_kernel_is_a_notebook_and_a_shell_is_none(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not is_notebook()
    for shell, expected in ((None, False), (SimpleNamespace(), False), (SimpleNamespace(kernel=1), True)):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert is_notebook() is expected
