"""Splits texts with labelled spans of characters into overlapping windows of tokens, with the tokens of each span."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from palm.data.dataset import IntArray, Ragged
from palm.data.layout import TextLayout
from palm.data.tokenizer import Tokens
from palm.data.windows import Window, sliding_windows
from palm.errors import counted
from palm.reader.formats.files import quoted

SPAN_PARTS = 3
"""First token, last token and type: what `span_labels` says of a span; `relation_labels` says head, tail and type."""
_GOLD = ("span_labels", "relation_labels")


@dataclass(frozen=True)
class LabelledText:
    """A text to split into windows.

    Attributes:
        line: Its line, for remarks.
        text: The text.
        tokens: Its tokens.
        spans: First character, the one after its last, and id of the type of each span; none when predicting.
        relations: Numbers of the spans of head and tail, and id of the type of each relation.
    """

    line: int
    text: str
    tokens: Tokens
    spans: Sequence[tuple[int, int, int]] = ()
    relations: Sequence[tuple[int, int, int]] = ()


@dataclass
class _Counted:
    """Spans of which something is remarkable, and the first one in words."""

    count: int = 0
    first: str = ""

    def add(self, example: str) -> None:
        self.count += 1
        self.first = self.first or example


@dataclass
class SpanWindows:
    """The windows of texts, one after the other.

    A window starts half a window after the one before, so that a span that is not longer than half of `room` lies
    whole in one of them.

    Attributes:
        layout: Special tokens around a text.
        room: Tokens of a text in a window.
    """

    layout: TextLayout
    room: int
    _ragged: dict[str, list[list[int]]] = field(
        default_factory=lambda: {name: [] for name in ("token_ids", "token_start", "token_end", *_GOLD)}
    )
    _flat: dict[str, list[int]] = field(default_factory=lambda: {"record": [], "window_start": []})
    _total: int = 0
    _inexact: _Counted = field(default_factory=_Counted)
    _lost: _Counted = field(default_factory=_Counted)
    _cut: _Counted = field(default_factory=_Counted)
    _relations: int = 0
    _apart: _Counted = field(default_factory=_Counted)

    def add(self, number: int, row: LabelledText) -> None:
        """Add the windows of the record `number`."""
        tokens, spans = row.tokens, self._placed(row)
        windows = sliding_windows(len(tokens.ids), width=self.room, stride=max(self.room // 2, 1))
        seen: set[int] = set()
        related: set[int] = set()
        for window in windows:
            inside = {place: span for place, span in spans.items() if window.start <= span[0] and span[1] < window.end}
            known = {place: number for number, place in enumerate(p for p, span in inside.items() if span[2] >= 0)}
            found = [place for place, (head, tail, _) in enumerate(row.relations) if {head, tail} <= known.keys()]
            ends = [(known[head], known[tail], kind) for head, tail, kind in (row.relations[place] for place in found)]
            seen.update(inside)
            related.update(found)
            self._add_window(number, tokens, window, [inside[place] for place in known], ends)
        self._count_unseen(row, spans, seen, related)

    def _count_unseen(
        self, row: LabelledText, spans: Mapping[int, tuple[int, int, int]], seen: set[int], related: set[int]
    ) -> None:
        for place in spans.keys() - seen:
            start, end, _ = row.spans[place]
            self._cut.add(f"{quoted(row.text[start:end])} in line {row.line}")
        self._relations += len(row.relations)
        for place, (head, tail, kind) in enumerate(row.relations):
            if place not in related and kind >= 0:
                both = (quoted(row.text[start:end]) for start, end, _ in (row.spans[head], row.spans[tail]))
                self._apart.add(f"{' and '.join(both)} in line {row.line}")

    def columns(self, *, with_gold: bool) -> dict[str, Ragged | np.ndarray]:
        """The columns of a data set."""
        ragged = {name: Ragged.from_rows(rows) for name, rows in self._ragged.items()}
        for name in () if with_gold else _GOLD:
            del ragged[name]
        return {**ragged, **{name: np.array(values, "int64") for name, values in self._flat.items()}}

    def notes(self) -> Iterator[str]:
        """What is remarkable about the spans, a sentence each."""
        spans = counted(self._total, "span")
        if self._inexact.count:
            found = f"{self._inexact.count} of {spans} begin or end inside a token, such as {self._inexact.first}"
            yield f"{found}. The model learns the whole tokens, and such a prediction counts as wrong."
        if self._lost.count:
            found = f"{self._lost.count} of {spans} hold no token, such as {self._lost.first}"
            yield f"{found}. They count as missed."
        if self._cut.count:
            found = f"{self._cut.count} of {spans} fit in no window of {self.room} tokens, such as {self._cut.first}"
            yield f"{found}. They are not learnt, and count as missed. Raise max_seq_len."
        if self._apart.count:
            relations = counted(self._relations, "relation")
            found = (
                f"{self._apart.count} of {relations} have no window that holds both spans, such as {self._apart.first}"
            )
            yield f"{found}. They are not learnt, and count as missed."

    def _placed(self, row: LabelledText) -> dict[int, tuple[int, int, int]]:
        """First token, last token and type of each span that holds a token, by its number."""
        placed: dict[int, tuple[int, int, int]] = {}
        offsets = np.array(row.tokens.offsets, "int64").reshape(-1, 2)
        self._total += len(row.spans)
        for place, (start, end, kind) in enumerate(row.spans):
            found = _tokens_of(offsets, start, end)
            if found is None:
                self._lost.add(f"{quoted(row.text[start:end])} in line {row.line}")
                continue
            low, high = int(offsets[found[0], 0]), int(offsets[found[1], 1])
            if (low, high) != (start, end):
                part = f"{quoted(row.text[start:end])} of {quoted(row.text[low:high])}"
                self._inexact.add(f"{part} in line {row.line}")
            placed[place] = (*found, kind)
        return placed

    def _add_window(
        self,
        number: int,
        tokens: Tokens,
        window: Window,
        spans: Sequence[tuple[int, int, int]],
        relations: Sequence[tuple[int, int, int]],
    ) -> None:
        front, back = len(self.layout.front), len(self.layout.back)
        inside = slice(window.start, window.end)
        # A span neither begins nor ends with a token of a blank alone.
        places = [place if place[0] < place[1] else (-1, -1) for place in tokens.offsets[inside]]
        self._ragged["token_ids"].append(self.layout.single(tokens.ids[inside]))
        for name, side in (("token_start", 0), ("token_end", 1)):
            self._ragged[name].append([*[-1] * front, *(place[side] for place in places), *[-1] * back])
        shift = front - window.start
        moved = ((first + shift, last + shift, kind) for first, last, kind in spans)
        self._ragged["span_labels"].append([part for span in moved for part in span])
        self._ragged["relation_labels"].append(
            [part for relation in relations for part in relation if relation[2] >= 0]
        )
        self._flat["record"].append(number)
        self._flat["window_start"].append(-shift)


def padded_spans(labels: Ragged, rows: IntArray, *, fill: int) -> IntArray:
    """`span_labels` of a batch: int64[batch span part], with at least one span, all of `fill` where there is none."""
    most = max(int(labels.lengths[rows].max(initial=0)), SPAN_PARTS)
    padded: IntArray = labels.padded(rows, fill=fill, width=most).astype("int64")
    return padded.reshape(len(rows), -1, SPAN_PARTS)


def _tokens_of(offsets: NDArray[np.int64], start: int, end: int) -> tuple[int, int] | None:
    """First and last token with a character of a span; None if there is none."""
    touching = np.flatnonzero((offsets[:, 0] < offsets[:, 1]) & (offsets[:, 0] < end) & (offsets[:, 1] > start))
    return (int(touching[0]), int(touching[-1])) if len(touching) else None
