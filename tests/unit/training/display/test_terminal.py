import os
import signal
import sys
import threading

import pytest
from rich.cells import cell_len

from palm.training.display.terminal import TerminalDisplay
from palm.training.signals import StopSignals
from tests.live_runs import CHINESE, ENGLISH, step_result, terminal, trained_run


@pytest.fixture(autouse=True)
def _in_front(monkeypatch):
    """The terminal of a test is not the one that started it."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())


@pytest.fixture
def opened():
    """Opens displays, and closes them where a test failed before it did."""
    found = []

    def opened_of(run):
        found.append(TerminalDisplay(run))
        found[-1].open()
        return found[-1]

    yield opened_of
    for display in found:
        if display._thread.is_alive():
            display.close(finished=False)


def shown(screen) -> list[str]:
    return [line for line in screen.lines if line]


@pytest.mark.parametrize("names", [ENGLISH, CHINESE])
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (60, 24), (200, 50), (30, 8)])
def test_the_panel_stays_in_its_place_and_the_cursor_below_it(opened, names, columns, rows):
    with terminal(columns, rows) as screen:
        run = trained_run(names)
        display = opened(run)
        before = shown(screen)
        for step in range(401, 404):
            run.note_step(step_result(step, names[0], 0.5))
            display._render()
        after = shown(screen)
        assert len(after) == len(before) <= rows - 1
        assert "403/900" in "".join(after)
        assert screen.cursor == (len(after), 0, True)
        display.close(finished=False)


def test_what_is_printed_stands_above_the_panel(opened):
    with terminal() as screen:
        display = opened(trained_run(ENGLISH))
        display.say("Warning: 一句话 " + "很长" * 50)
        sys.stdout.write("a print of the user\n")
        sys.stderr.write("Warning: of a library\n")
        lines = shown(screen)
        top = next(number for number, line in enumerate(lines) if line.startswith("╭"))
        said = "".join(lines[:top])
        assert said.count("很长") == 50
        assert lines[top - 2 : top] == ["a print of the user", "Warning: of a library"]
        assert sum(line.startswith("╭") for line in lines) == 1
        display.close(finished=False)


def test_the_end_replaces_the_panel_by_a_table(opened):
    with terminal() as screen:
        run = trained_run(ENGLISH)
        run.note_record({"split": "export", "global_step": 400, "task": "slots", "task_steps": 75, "of_step": 300})
        run.next_commands = ["palm pred output_model/slots 'book me a room'"]
        display = opened(run)
        display.close(finished=True)
        text = "\n".join(screen.lines)
        assert "output_model/slots/infer_model" in text
        assert "steps/s" not in text
        assert text.rstrip().endswith("palm pred output_model/slots 'book me a room'")
        assert screen.cursor[2]


def test_the_last_panel_of_a_run_that_failed_is_left_above_the_error(opened):
    with terminal() as screen:
        display = opened(trained_run(ENGLISH))
        display.close(finished=False)
        sys.stderr.write("the error\n")
        lines = shown(screen)
        assert lines[-1] == "the error"
        assert lines[-2].startswith("╰")


@pytest.mark.parametrize("size", [(60, 24), (80, 12), (45, 12), (120, 40)])
def test_a_terminal_of_another_size_has_one_panel(opened, size):
    with terminal() as screen:
        display = opened(trained_run(CHINESE))
        display.say("Exported from the best evaluation")
        screen.resize(*size)
        display._render()
        display._render()
        lines = shown(screen)
        assert sum(line.startswith("╭") for line in lines) == 1
        assert sum(line.startswith("╰") for line in lines) == 1
        assert max(map(cell_len, lines)) <= max(size[0], 80)
        display.close(finished=False)


def test_a_process_that_was_stopped_and_continued_shows_a_new_panel_below(opened):
    with terminal(80, 50) as screen:
        display = opened(trained_run(ENGLISH))
        screen.feed(b"[1]+  Stopped\r\n$ fg\r\n")  # what the shell prints meanwhile
        os.kill(os.getpid(), signal.SIGCONT)
        display._render()
        lines = shown(screen)
        assert "[1]+  Stopped" in lines
        assert lines[-1].startswith("╰")
        display.close(finished=False)
    assert signal.getsignal(signal.SIGCONT) == signal.SIG_DFL


def test_nothing_is_written_while_the_shell_has_the_terminal(opened, monkeypatch):
    with terminal() as screen:
        display = opened(trained_run(ENGLISH))
        screen.read()
        before = len(screen.written)
        monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp() + 1)
        display._render()
        screen.read()
        assert len(screen.written) == before
        display.close(finished=False)


def test_a_signal_is_told_inside_the_panel_and_afterwards_on_stderr(opened, capfd):
    with terminal() as screen:
        display = opened(trained_run(ENGLISH))
        with StopSignals():
            os.kill(os.getpid(), signal.SIGTERM)
            display._render()
        assert any("SIGTERM: stopping after this step, with a checkpoint." in line for line in screen.lines)
        display.close(finished=False)
    with StopSignals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert capfd.readouterr().err.startswith("\nSIGTERM: stopping after this step")


def test_a_terminal_that_is_gone_ends_the_panel_and_not_the_run(opened):
    with terminal():
        display = opened(trained_run(ENGLISH))
        sys.stdout.close()
        display._file.close()
        display.say("a line")
        display._render()
        display.close(finished=True)
    assert not any(thread.name == "palm-panel" for thread in threading.enumerate())


def test_without_colours_there_are_none(opened, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with terminal() as screen:
        display = opened(trained_run(ENGLISH))
        display.close(finished=True)
        screen.read()
        for colour in (b"\x1b[36m", b"\x1b[32m", b";36m", b";32m"):
            assert colour not in screen.written
