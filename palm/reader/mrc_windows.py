"""Splits questions and their contexts into windows: token ids, character offsets and the answer's tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from palm.data.dataset import Ragged, Record
from palm.data.tokenizer import Tokenizer
from palm.data.windows import Window, max_context, sliding_windows
from palm.reader.formats.files import quoted


@dataclass(frozen=True)
class GoldAnswer:
    """One gold answer: `text` from character `start` of the context on."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """The character after its last."""
        return self.start + len(self.text)


def gold_answers(record: Record) -> list[GoldAnswer]:
    """The answers of a record; training uses the first."""
    answers = cast("Sequence[Mapping[str, object]]", record.get("answers", ()))
    return [GoldAnswer(str(answer["text"]), int(str(answer["answer_start"]))) for answer in answers]


def usable(record: Record, offsets: NDArray[np.int32]) -> tuple[Record | None, list[str]]:
    """`record` with its valid answers, and the problems of the others.

    None for an empty question, or if all answers are invalid.
    """
    if not str(record["question"]).strip():
        return None, ["the question is empty."]
    listed = cast("Sequence[object]", record["answers"])
    faults = [_fault(answer, str(record["context"]), offsets) for answer in gold_answers(record)]
    good = [answer for answer, fault in zip(listed, faults, strict=True) if fault is None]
    left = record if len(good) == len(listed) else {**record, "answers": good} if good else None
    return left, list(dict.fromkeys(fault for fault in faults if fault))


def _fault(answer: GoldAnswer, context: str, offsets: NDArray[np.int32]) -> str | None:
    reason = misplaced(answer, context)
    if reason is None and token_span(answer, offsets) is None:
        return f"no token is left of the answer {quoted(answer.text)}."
    return reason


def misplaced(answer: GoldAnswer, context: str) -> str | None:
    """The problem of `answer`'s offset, with the actual offset of its text; None if correct."""
    if answer.start >= 0 and context[answer.start : answer.end] == answer.text:
        return None
    nearest = nearest_occurrence(answer.text, context, answer.start)
    truth = "The text is not in the context." if nearest is None else f"The nearest true offset is {nearest}."
    there = quoted(context[answer.start : answer.end]) if 0 <= answer.start < len(context) else "nothing"
    return f"answer text {quoted(answer.text)} is not at answer_start {answer.start}, found {there}. {truth}"


def nearest_occurrence(text: str, context: str, start: int) -> int | None:
    """The offset of the occurrence of `text` in `context` nearest to `start`; None if there is none."""
    before = context.rfind(text, 0, max(start, 0) + len(text))
    after = context.find(text, max(start, 0))
    found = [offset for offset in (before, after) if offset >= 0]
    return min(found, key=lambda offset: abs(offset - start), default=None)


def token_span(answer: GoldAnswer, offsets: NDArray[np.int32]) -> tuple[int, int] | None:
    """First and last token with a character of `answer`; None if there is none.

    An answer that starts or ends inside a token is extended to the whole token.

    Args:
        answer: Characters of the context.
        offsets: Start and end of each token, `int32[tokens 2]`.
    """
    first = int(np.searchsorted(offsets[:, 1], answer.start, side="right"))
    last = int(np.searchsorted(offsets[:, 0], answer.end, side="left")) - 1
    return (first, last) if first <= last else None


def as_array(offsets: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """Offsets as `int32[tokens 2]`."""
    return np.array(offsets, "int32").reshape(-1, 2)


class WindowSizes(Protocol):
    """The keys that determine the windows."""

    @property
    def max_seq_len(self) -> int: ...
    @property
    def max_query_len(self) -> int: ...
    @property
    def doc_stride(self) -> int: ...


@dataclass(frozen=True)
class TokenizedContext:
    """A tokenised context: `ids` int32[tokens], `offsets` int32[tokens 2] in characters."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int32]


class WindowBuilder:
    """Tokenises every question and every distinct context once, and creates windows.

    Args:
        tokenizer: Splits the texts.
        sizes: Limits of windows and questions.
        records: All records for `columns`.
    """

    def __init__(self, tokenizer: Tokenizer, sizes: WindowSizes, records: Sequence[Record]) -> None:
        self._tokenizer = tokenizer
        self._sizes = sizes
        contexts = list(dict.fromkeys(str(record["context"]) for record in records))
        questions = list(dict.fromkeys(str(record["question"]) for record in records))
        encoded = tokenizer.encode(contexts)
        self._contexts = {
            text: TokenizedContext(np.array(tokens.ids, "int32"), as_array(tokens.offsets))
            for text, tokens in zip(contexts, encoded, strict=True)
        }
        self._questions = dict(zip(questions, tokenizer.encode_ids(questions), strict=True))

    def context_offsets(self, record: Record) -> NDArray[np.int32]:
        """Start and end of each token in the record's context, `int32[tokens 2]`."""
        return self._contexts[str(record["context"])].offsets

    def columns(self, records: Sequence[Record], *, with_gold: bool) -> dict[str, Ragged | np.ndarray]:
        """The columns of a data set of `records`, one row per window."""
        ragged: dict[str, list[np.ndarray]] = {
            name: [] for name in ("token_ids", "segment_ids", "context_start", "context_end", "is_max_context")
        }
        flat: dict[str, list[int]] = {name: [] for name in ("record", "start_positions", "end_positions")}
        for number, record in enumerate(records):
            self._add(record, number, ragged, flat)
        small = {"segment_ids", "is_max_context"}
        columns: dict[str, Ragged | np.ndarray] = {
            name: Ragged.from_rows(rows, "int8" if name in small else "int32") for name, rows in ragged.items()
        }
        columns["record"] = np.array(flat["record"], "int64")
        columns["unique_ids"] = np.arange(len(flat["record"]), dtype="int64")
        if with_gold:
            columns |= {name: np.array(flat[name], "int64") for name in ("start_positions", "end_positions")}
        return columns

    def _add(
        self, record: Record, number: int, ragged: dict[str, list[np.ndarray]], flat: dict[str, list[int]]
    ) -> None:
        """Append the windows of one record."""
        context = self._contexts[str(record["context"])]
        layout = self._tokenizer.pair
        longest = min(self._sizes.max_query_len, self._sizes.max_seq_len - layout.num_special - 1)
        question = self._questions[str(record["question"])][: max(longest, 0)]
        front, behind = len(layout.front) + len(question) + len(layout.middle), len(layout.back)
        room = self._sizes.max_seq_len - front - behind
        windows = sliding_windows(len(context.ids), width=room, stride=self._sizes.doc_stride)
        answers = gold_answers(record)[:1]
        span = token_span(answers[0], context.offsets) if answers else None
        for window, is_max in zip(windows, max_context(windows, len(context.ids)), strict=True):
            inside = slice(window.start, window.end)
            tokens, segments = layout.pair(question, context.ids[inside].tolist())
            ragged["token_ids"].append(np.array(tokens))
            ragged["segment_ids"].append(np.array(segments))
            # An answer neither begins nor ends with a token of a blank alone.
            places = np.where(context.offsets[inside, :1] < context.offsets[inside, 1:], context.offsets[inside], -1)
            ragged["context_start"].append(_around(places[:, 0], front, behind, fill=-1))
            ragged["context_end"].append(_around(places[:, 1], front, behind, fill=-1))
            ragged["is_max_context"].append(_around(is_max, front, behind, fill=0))
            start, end = _positions(span, window, front)
            flat["record"].append(number)
            flat["start_positions"].append(start)
            flat["end_positions"].append(end)


def _around(values: np.ndarray, front: int, behind: int, *, fill: int) -> np.ndarray:
    """`values` of a window with `fill` for the `front` tokens before it and the special tokens `behind` it."""
    return np.concatenate([np.full(front, fill), values, np.full(behind, fill)])


def _positions(span: tuple[int, int] | None, window: Window, front: int) -> tuple[int, int]:
    """First and last token of the answer in the row; [CLS] twice if the window does not contain all of it."""
    if span is None or span[0] < window.start or span[1] >= window.end:
        return 0, 0
    return span[0] - window.start + front, span[1] - window.start + front
