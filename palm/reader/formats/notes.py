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
