"""Collects what is remarkable about a data file that is read nevertheless: guesses, and what was left out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from palm.data.dataset import DataSource

LOG = logging.getLogger(__name__)
_COLLECTED: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextmanager
def collected_notes() -> Iterator[list[str]]:
    """Collects the notes of all files that are read inside, in order; without it they are logged as warnings."""
    notes: list[str] = []
    token = _COLLECTED.set(notes)
    try:
        yield notes
    finally:
        _COLLECTED.reset(token)


def add_note(source: DataSource, message: str) -> None:
    """Add a remark about a file or rows, a sentence."""
    notes = _COLLECTED.get()
    if notes is None:
        LOG.warning("%s: %s", source, message)
    elif message not in notes:
        notes.append(message)


class LineCounts:
    """Counts lines by what is remarkable about them."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._first: dict[tuple[str, str], int] = {}

    def add(self, kind: tuple[str, str], line: int) -> None:
        """Count a line, from 1, under the words that follow a 1 in the note, and those that follow a larger number."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._first.setdefault(kind, line)

    def note(self, source: DataSource) -> None:
        """Add a note for each kind, with its first line."""
        for kind, count in self._counts.items():
            add_note(source, f"{count} {kind[count > 1]}, such as line {self._first[kind]}.")
