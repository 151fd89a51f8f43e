"""Where the rows of this process stand in a batch that several processes share.

Dropout depends on the number of a row in the whole batch, so that processes with a part each sample what one process
with all rows would sample.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class BatchPosition:
    """What comes before the rows of this process in the batch.

    Attributes:
        own: Number of its own sequences.
        sequences: Sequences before them, which have the same padded length.
        tokens: Tokens of these, without padding.
        masks: Masked tokens of these.
        total: Sequences of the whole batch.
    """

    own: int
    sequences: int = 0
    tokens: int = 0
    masks: int = 0
    total: int = 0


_current = threading.local()


@contextmanager
def at_position(position: BatchPosition | None) -> Iterator[None]:
    """Compute with rows at `position` inside the `with` block; None: with a whole batch."""
    before = current_position()
    _current.position = position
    try:
        yield
    finally:
        _current.position = before


def keeping_position(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """`function`, always called at the present position: a backward pass that computes again may be at another one."""
    position = current_position()

    def at_the_same(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with at_position(position):
            return function(*args, **kwargs)

    return function if position is None else at_the_same


def current_position() -> BatchPosition | None:
    """Where the rows of this process stand; None: they are a whole batch."""
    found: BatchPosition | None = getattr(_current, "position", None)
    return found


def rows_before(rows: int) -> int:
    """Rows before `rows` rows of a padded batch, of which each of its sequences has as many."""
    position = current_position()
    return 0 if position is None else rows // position.own * position.sequences


def tokens_before() -> int:
    """Tokens before those of this process, in packed rows."""
    position = current_position()
    return 0 if position is None else position.tokens


def masks_before() -> int:
    """Masked tokens before those of this process."""
    position = current_position()
    return 0 if position is None else position.masks


def sequences_before() -> int:
    """Sequences before those of this process."""
    position = current_position()
    return 0 if position is None else position.sequences
