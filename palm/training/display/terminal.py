"""The panel on a terminal: below everything else that is printed, rendered anew twice a second until the run ends."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from palm.locale.streams import data_stream
from palm.training.display.live_run import LiveRun
from palm.training.display.panel import live_panel, summary
from palm.training.signals import StopSignals

_SECONDS = 0.5
_USUAL_SIZE = os.terminal_size((80, 24))


class TerminalDisplay:
    """Shows a run on a terminal, and what is printed meanwhile above it.

    The cursor stays visible, at the start of the line below the panel: whatever ends the process, even SIGKILL, leaves
    a terminal on which the shell can continue. A terminal that became smaller, and a process that was stopped and
    continued, get a new panel. While another process has the terminal (`bg`), nothing is rendered.

    Args:
        run: The run.
    """

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._file = data_stream(sys.stdout)  # what is shown is translated before it is laid out
        self._console = Console(
            file=self._file,
            force_terminal=True,
            force_interactive=True,
            force_jupyter=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._lock = threading.RLock()
        self._said: list[str] = []
        self._shown = _USUAL_SIZE
        self._continued = False
        self._lost = False
        self._done = threading.Event()
        self._before: Any = None
        self._open = ExitStack()
        self._live = self._new_live()
        self._thread = threading.Thread(target=self._refresh_often, name="palm-panel", daemon=True)

    def open(self) -> None:
        """Show the panel."""
        self._open.enter_context(StopSignals.told_by(self._show_notice))
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGCONT, self._note_continued)
        self._start()
        self._thread.start()

    def say(self, line: str) -> None:
        """Print a line above the panel."""
        with self._errors_end_the_panel():
            self._said.append(line)
            if self._lost:
                self._console.file.write(line + "\n")
            else:
                self._console.print(Text(line))

    def refresh(self) -> None:
        """Nothing is to do at a step: the thread shows it."""

    def close(self, *, finished: bool) -> None:
        """Replace the panel by the table at the end of a run that is finished; else leave it as it was last."""
        self._done.set()
        self._thread.join()
        with self._errors_end_the_panel():
            self._run.activity = None
            self._live.transient = finished
            self._live.stop()
            if finished:
                self._console.size = self._size()
                self._console.print(summary(self._run))
        self._open.close()
        if self._before is not None:
            signal.signal(signal.SIGCONT, self._before)

    def _refresh_often(self) -> None:
        while not self._done.wait(_SECONDS):
            self._render()

    def _render(self) -> None:
        with self._errors_end_the_panel():
            if self._lost or not self._is_in_front():
                return
            size = self._size()
            if self._continued:
                self._continued = False
                self._restart(clear=False)
            elif size.columns < self._shown.columns or size.lines < self._shown.lines:
                self._restart(clear=True)
            else:
                self._live.refresh()
            self._shown = size

    def _restart(self, *, clear: bool) -> None:
        """Begin anew where the rows of the panel are not any more where they were."""
        self._console.quiet = True
        self._live.stop()
        self._console.quiet = False
        self._live = self._new_live()
        size = self._size()
        self._console.size = size
        if clear:
            self._console.clear()
            for line in self._said[-size.lines :]:
                self._console.print(Text(line))
        self._start()

    def _start(self) -> None:
        self._shown = self._size()
        self._live.start(refresh=True)
        self._console.show_cursor(True)

    def _new_live(self) -> Live:
        return Live(
            get_renderable=self._frame,
            console=self._console,
            auto_refresh=False,
            transient=True,
            vertical_overflow="crop",
        )

    def _frame(self) -> RenderableType:
        size = self._size()
        self._console.size = size
        # The last row is for the cursor.
        return Group(live_panel(self._run, size.columns, size.lines - 1), Text(""))

    def _size(self) -> os.terminal_size:
        try:
            found = os.get_terminal_size(self._file.fileno())
        except (OSError, ValueError):
            return _USUAL_SIZE
        return found if found.columns > 0 and found.lines > 1 else _USUAL_SIZE

    def _is_in_front(self) -> bool:
        """Whether this process, and not the shell, has the terminal; a rank has no terminal of its own."""
        try:
            return os.tcgetpgrp(self._file.fileno()) == os.getpgrp()
        except OSError:
            return True

    def _show_notice(self, notice: str) -> None:
        self._run.notice = notice

    def _note_continued(self, number: int, frame: FrameType | None) -> None:
        self._continued = True

    @contextmanager
    def _errors_end_the_panel(self) -> Iterator[None]:
        """A terminal that is gone ends the panel, and not the run."""
        with self._lock:
            try:
                yield
            except (OSError, ValueError):  # ValueError: a closed file
                self._lost = True
