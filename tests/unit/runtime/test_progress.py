import sys

import pytest
from rich.cells import cell_len

from palm.runtime import progress
from palm.runtime.progress import FINISHED, progress_bar, progress_shown_by, with_progress
from tests.live_runs import terminal


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_WITHOUT_BAR", 0.0)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_has_a_bar_that_is_removed_at_the_end():
    with terminal() as screen:
        with progress_bar("tokenising 训练.tsv", 10) as advance:
            advance(4)
            sys.stderr.flush()
            screen.read()
            assert b"tokenising" in screen.written
        assert [line for line in screen.lines if line] == []


def test_a_bar_in_chinese(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "zh")
    with terminal() as screen:
        with progress_bar("tokenising 训练.tsv", 10) as advance:
            advance(4)
            sys.stderr.flush()
            screen.read()
            shown = screen.written.decode()
        assert "正在分词训练.tsv:" in shown
        assert "行/s" in shown
        assert max(map(cell_len, screen.lines)) <= 80


def test_short_work_has_no_bar(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_WITHOUT_BAR", 60.0)
    with terminal() as screen:
        with progress_bar("evaluating", 10) as advance:
            advance(10)
        assert screen.written.strip(b"\r\n \x1b[A") == b""


def test_pipes_dumb_terminals_and_further_ranks_have_none(monkeypatch, capsys):
    with progress_bar("evaluating", 10) as advance:
        advance(10)
    assert capsys.readouterr().err == ""
    for name, value in (("TERM", "dumb"), ("PADDLE_TRAINER_ID", "1")):
        with monkeypatch.context() as patch, terminal() as screen:
            patch.setenv(name, value)
            with progress_bar("evaluating", 10) as advance:
                advance(10)
            screen.read()
            assert screen.written == b""


def test_the_display_of_a_run_shows_it_instead():
    seen = []
    with progress_shown_by(lambda *given: seen.append(given)):
        assert list(with_progress(["a", "b"], "检查")) == ["a", "b"]
        with pytest.raises(ValueError, match="wrong"), progress_bar("evaluating", None, done=3):
            raise ValueError("wrong")
    assert seen == [
        ("检查", 0, 2),
        ("检查", 1, 2),
        ("检查", 2, 2),
        ("检查", FINISHED, 2),
        ("evaluating", 3, None),
        ("evaluating", FINISHED, None),
    ]
