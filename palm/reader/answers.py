"""Finds where an answer stands: checks its offset in the context, and turns characters into tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from palm.data.dataset import Record
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


def gold_answers(record: Record) -> list[Answer]:
    """The answers of a record; training uses the first."""
    answers = cast("Sequence[Mapping[str, object]]", record.get("answers", ()))
    return [Answer(str(answer["text"]), int(str(answer["answer_start"]))) for answer in answers]


def usable(record: Record, offsets: NDArray[np.int32]) -> tuple[Record | None, list[str]]:
    """`record` with the answers that can be trained on, and what is wrong with the others.

    No record is left of an empty question, nor of a question all of whose answers are wrong.
    """
    if not str(record["question"]).strip():
        return None, ["the question is empty."]
    listed = cast("Sequence[object]", record["answers"])
    faults = [_fault(answer, str(record["context"]), offsets) for answer in gold_answers(record)]
    good = [answer for answer, fault in zip(listed, faults, strict=True) if fault is None]
    left = record if len(good) == len(listed) else {**record, "answers": good} if good else None
    return left, list(dict.fromkeys(fault for fault in faults if fault))


def _fault(answer: Answer, context: str, offsets: NDArray[np.int32]) -> str | None:
    reason = misplaced(answer, context)
    if reason is None and token_span(answer, offsets) is None:
        return f"no word-piece is left of the answer {quoted(answer.text)}."
    return reason


def misplaced(answer: Answer, context: str) -> str | None:
    """What is wrong with the offset of `answer`, and where its text really is; None where it is right."""
    if answer.start >= 0 and context[answer.start : answer.end] == answer.text:
        return None
    nearest = nearest_occurrence(answer.text, context, answer.start)
    truth = "The text is nowhere in the context." if nearest is None else f"The nearest true offset is {nearest}."
    there = quoted(context[answer.start : answer.end]) if 0 <= answer.start < len(context) else "nothing there"
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
