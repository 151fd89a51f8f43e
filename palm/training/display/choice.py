"""How a run is shown: by a panel on a terminal, a table in a notebook, or its lines."""

import os
import sys
from collections.abc import Callable
from typing import Literal, Protocol

from palm.distributed.ranks import current_ranks
from palm.training.display.live_run import LiveRun

LogStyle = Literal["panel", "lines"]
"""`panel`: where the output is a terminal or a notebook; `lines`: everywhere the lines of log.txt."""


class Display(Protocol):
    """Shows a run while it is trained."""

    def open(self) -> None:
        """Begin to show it."""

    def say(self, line: str) -> None:
        """Show a line beside it."""

    def refresh(self) -> None:
        """Called after each step."""

    def close(self, *, finished: bool) -> None:
        """Show its end."""


def display_for(run: Callable[[], LiveRun], style: LogStyle) -> tuple[LiveRun, Display] | None:
    """The display where the output of this process goes; None if that has to be lines.

    Args:
        run: Makes what is to be shown; called only where there is a display.
        style: What the user asks for.
    """
    if style == "lines" or not current_ranks().first:
        return None
    if is_notebook():
        from palm.training.display.notebook import NotebookDisplay  # noqa: PLC0415 (needs IPython)

        live = run()
        return live, NotebookDisplay(live)
    if is_terminal_for_panels():
        from palm.training.display.terminal import TerminalDisplay  # noqa: PLC0415 (imports rich)

        live = run()
        return live, TerminalDisplay(live)
    return None


def is_notebook() -> bool:
    """Whether this is the kernel of a notebook, which shows HTML."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def is_terminal_for_panels() -> bool:
    """Whether stdout and stderr are a terminal that moves its cursor and shows Unicode."""
    streams = (sys.stdout, sys.stderr)
    if any(stream is None or not stream.isatty() for stream in streams):
        return False
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    return encoding == "utf8" and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
