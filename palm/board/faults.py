"""What keeps the board from reading its runs: said once for each kind of fault, and once more when it is over."""

import logging
from pathlib import Path

_log = logging.getLogger(__name__)


class Faults:
    """The faults of a board that tries again every few seconds.

    Args:
        root: The folder of its runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._said: set[tuple[type[Exception], int | None]] = set()

    def note(self, error: Exception) -> None:
        """Log a fault, unless one of its kind was since the runs could be read; with a trace if no disk failed."""
        kind = type(error), getattr(error, "errno", None)
        if kind in self._said:
            return
        self._said.add(kind)
        reason = f"{type(error).__name__}: {error}"
        trace = None if isinstance(error, OSError) else error
        _log.warning("%s: the runs cannot be read: %s. The board tries again.", self._root, reason, exc_info=trace)

    def clear(self) -> None:
        """The runs were read: log it after a fault."""
        if self._said:
            self._said.clear()
            _log.warning("%s: the runs can be read again.", self._root)
