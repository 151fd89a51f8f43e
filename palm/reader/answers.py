"""Finds where an answer stands: checks its offset in the context, and turns characters into tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palm.reader.files import quoted


@dataclass(frozen=True)
class Answer:
    """One gold answer: `text` from character `start` of the context on."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """The character after its last."""
        return self.start + len(self.text)


def misplaced(answer: Answer, context: str) -> str | None:
    """What is wrong with the offset of `answer`, and where its text really is; None where it is right."""
    if answer.start >= 0 and context[answer.start : answer.end] == answer.text:
        return None
    nearest = nearest_occurrence(answer.text, context, answer.start)
    truth = "The text is nowhere in the context." if nearest is None else f"The nearest true offset is {nearest}."
    there = quoted(context[answer.start : answer.end]) if 0 <= answer.start < len(context) else "the end of the context"
    return f"answer text {quoted(answer.text)} is not at answer_start {answer.start}, found {there}. {truth}"


def nearest_occurrence(text: str, context: str, start: int) -> int | None:
    """The offset of the occurrence of `text` in `context` nearest to `start`; None where there is none."""
    before = context.rfind(text, 0, max(start, 0) + len(text))
    after = context.find(text, max(start, 0))
    found = [offset for offset in (before, after) if offset >= 0]
    return min(found, key=lambda offset: abs(offset - start), default=None)


def token_span(answer: Answer, offsets: NDArray[np.int32]) -> tuple[int, int] | None:
    """First and last token that hold a character of `answer`; None where no token does.

    An answer that begins or ends inside a token is widened to the whole token.

    Args:
        answer: Characters of the context.
        offsets: Where each token starts and ends, `int32[tokens 2]`.
    """
    first = int(np.searchsorted(offsets[:, 1], answer.start, side="right"))
    last = int(np.searchsorted(offsets[:, 0], answer.end, side="left")) - 1
    return (first, last) if first <= last else None


def as_array(offsets: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """Offsets as `int32[tokens 2]`."""
    return np.array(offsets, "int32").reshape(-1, 2)
