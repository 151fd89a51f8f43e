"""Where the rows of this process stand in a batch that several processes share.

Dropout depends on the number of a row in the whole batch, so that processes with a part each draw what one process
with all rows would draw.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class BatchPosition:
    """What comes before the rows of this process in the batch.

    Attributes:
        own: Number of its own sequences.
        sequences: Sequences before them, which have the same padded length.
        tokens: Tokens of these, without padding.
        masks: Masked tokens of these.
    """

    own: int
    sequences: int = 0
    tokens: int = 0
    masks: int = 0


_current = threading.local()


@contextmanager
def at_position(position: BatchPosition | None) -> Iterator[None]:
    """Compute with rows at `position` inside the `with` block; None: with a whole batch."""
    before = getattr(_current, "position", None)
    _current.position = position
    try:
        yield
    finally:
        _current.position = before


def rows_before(rows: int) -> int:
    """Rows before `rows` rows of a padded batch, of which each of its sequences has as many."""
    position: BatchPosition | None = getattr(_current, "position", None)
    return 0 if position is None else rows // position.own * position.sequences


def tokens_before() -> int:
    """Tokens before those of this process, in packed rows."""
    position: BatchPosition | None = getattr(_current, "position", None)
    return 0 if position is None else position.tokens


def masks_before() -> int:
    """Masked tokens before those of this process."""
    position: BatchPosition | None = getattr(_current, "position", None)
    return 0 if position is None else position.masks


def sequences_before() -> int:
    """Sequences before those of this process."""
    position: BatchPosition | None = getattr(_current, "position", None)
    return 0 if position is None else position.sequences
