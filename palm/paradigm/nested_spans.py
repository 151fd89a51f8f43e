"""From the scores of spans to spans of characters, which may lie within each other: windows merged, in numpy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from palm.data.dataset import Record
from palm.data.spans import Relation, Span
from palm.paradigm.base import Outputs
from palm.paradigm.comparison import ComparedSpans
from palm.paradigm.decoding import sigmoid


@dataclass(frozen=True)
class ScoredSpan:
    """A predicted span.

    Attributes:
        start: Its first character.
        end: The character after its last.
        type: Id of its type.
        logit: Its score.
    """

    start: int
    end: int
    type: int
    logit: float

    @property
    def score(self) -> float:
        """Its logit between 0 and 1; that of `span_threshold: 0` is 0.5."""
        return float(sigmoid(np.array(self.logit)))

    def crosses(self, other: "ScoredSpan") -> bool:
        """Whether both share characters and neither lies within the other."""
        return self.start < other.start < self.end < other.end or other.start < self.start < other.end < self.end


@dataclass(frozen=True)
class ScoredRelation:
    """A predicted relation.

    Attributes:
        head: Number of a span of its text.
        tail: Number of another.
        type: Id of its type.
        logit: Its score.
    """

    head: int
    tail: int
    type: int
    logit: float

    @property
    def score(self) -> float:
        """Its logit between 0 and 1."""
        return float(sigmoid(np.array(self.logit)))


@dataclass(frozen=True)
class SpanWindow:
    """The candidates of one window of a text.

    Attributes:
        candidates: From `best_cells`.
        token_start: First character of each token in the text; -1 for tokens that stand for none.
        token_end: The character after its last.
        first: Number in the text of the token at place 0 of the window, [CLS] and its like counted.
    """

    candidates: Outputs
    token_start: np.ndarray
    token_end: np.ndarray
    first: int


def best_cells(scores: np.ndarray, threshold: float, *, is_exclusive: bool) -> Outputs:
    """The spans of a window whose score is above `threshold`: `starts`, `ends`, `types` int64[span], `scores`.

    There are at most as many as tokens, those of the highest scores: a head that has hardly been trained yet has
    thousands.

    Args:
        scores: float32[type seq seq], without padding.
        threshold: The key span_threshold.
        is_exclusive: Whether a span has one type at most, the best.
    """
    chosen = scores > threshold
    if is_exclusive:
        chosen &= np.arange(len(scores))[:, None, None] == scores.argmax(axis=0)
    types, starts, ends = np.nonzero(chosen)
    found = scores[types, starts, ends]
    best = np.sort(np.argsort(-found, kind="stable")[: scores.shape[-1]])
    return {"starts": starts[best], "ends": ends[best], "types": types[best], "scores": found[best]}


def merge_windows(windows: Sequence[SpanWindow], *, is_exclusive: bool) -> list[ScoredSpan]:
    """The spans of a text in order, those that hold others before these.

    Of the windows that hold a span the one decides with most tokens around it. With `is_exclusive`, a span that
    crosses one of a higher score is left out, as in arXiv:2005.07150, section 3.
    """
    bounds = [_bounds(window) for window in windows]
    found = [span for number in range(len(windows)) for span in _decided(windows[number], bounds, number)]
    if is_exclusive:
        kept: list[ScoredSpan] = []
        for span in sorted(found, key=lambda span: (-span.logit, span.start, span.end)):
            if not any(span.crosses(other) for other in kept):
                kept.append(span)
        found = kept
    return sorted(found, key=lambda span: (span.start, -span.end, span.type))


def merge_relations(windows: Sequence[SpanWindow], spans: Sequence[ScoredSpan]) -> list[ScoredRelation]:
    """The relations of `spans`, from `merge_windows`, by their numbers; candidates have those of `best_pairs`.

    Of the windows that hold both spans the one decides with most tokens around them.
    """
    bounds = [_bounds(window) for window in windows]
    numbers = {(span.start, span.end, span.type): number for number, span in enumerate(spans)}
    found = []
    for own, window in enumerate(windows):
        cells = list(_places(window))
        table = (window.candidates[name].tolist() for name in ("heads", "tails", "relations", "relation_scores"))
        for head, tail, kind, logit in zip(*table, strict=True):
            ends = [numbers.get(_characters(window, cells[place])) for place in (head, tail)]
            first, last = min(cells[head][0], cells[tail][0]), max(cells[head][1], cells[tail][1])
            if ends[0] is not None and ends[1] is not None and _deciding(window, bounds, first, last) == own:
                found.append(ScoredRelation(ends[0], ends[1], kind, logit))
    return sorted(found, key=lambda relation: (relation.head, relation.tail, relation.type))


def compare_nested_spans(
    predictions: Sequence[Record], records: Sequence[Record], *, with_relations: bool
) -> ComparedSpans:
    """The `spans` of predictions beside the `label` of records, by characters, and the `relations` of both."""
    texts = [list(str(record["text_a"])) for record in records]
    gold = [_spans_of(record["label"]) for record in records]
    predicted = [_spans_of(prediction["spans"]) for prediction in predictions]
    related = []
    if with_relations:
        related = [
            [_relations_of(row, spans) for row, spans in zip(rows, listed, strict=True)]
            for rows, listed in ((records, gold), (predictions, predicted))
        ]
    return ComparedSpans(texts, None, None, gold, predicted, "", *related)


def _spans_of(spans: object) -> list[Span]:
    listed = cast("Sequence[Mapping[str, Any]]", spans)
    return [Span(int(span["start"]), int(span["end"]), str(span["type"])) for span in listed]


def _relations_of(row: Record, spans: Sequence[Span]) -> list[Relation]:
    found = cast("Sequence[Mapping[str, Any]]", row.get("relations", ()))
    return [Relation(spans[int(one["head"])], spans[int(one["tail"])], str(one["type"])) for one in found]


_Cell = tuple[int, int, int]
"""First token, last token and type."""


def _places(window: SpanWindow) -> Iterator[_Cell]:
    yield from zip(*(window.candidates[name].tolist() for name in ("starts", "ends", "types")), strict=True)


def _characters(window: SpanWindow, cell: _Cell) -> _Cell:
    return int(window.token_start[cell[0]]), int(window.token_end[cell[1]]), cell[2]


_Bounds = tuple[int, int]
"""Numbers in the text of a window's first and last token that stand for characters."""


def _bounds(window: SpanWindow) -> _Bounds:
    inside = np.flatnonzero(window.token_start >= 0)
    return (window.first + int(inside[0]), window.first + int(inside[-1])) if len(inside) else (0, -1)


def _decided(window: SpanWindow, bounds: Sequence[_Bounds], number: int) -> Iterator[ScoredSpan]:
    """The spans of a window that no other of `bounds` has more context for; `number` is its own."""
    for cell, logit in zip(_places(window), window.candidates["scores"].tolist(), strict=True):
        start, end, kind = _characters(window, cell)
        if min(start, end) >= 0 and _deciding(window, bounds, cell[0], cell[1]) == number:
            yield ScoredSpan(start, end, kind, logit)


def _deciding(window: SpanWindow, bounds: Sequence[_Bounds], first: int, last: int) -> int:
    """The number of the window with most tokens around the tokens `first` to `last` of `window`."""
    # Tokens of the text on the side where a window has fewer; below 0 where it does not hold them.
    context = [min(window.first + first - low, high - window.first - last) for low, high in bounds]
    return context.index(max(context))
