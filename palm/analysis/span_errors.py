"""Errors of spans by kind: which predicted span stands for which gold one, and what is wrong with it.

The kinds are those of MUC-5 (Chinchor and Sundheim, 1993, https://aclanthology.org/M93-1007), with partial matches
divided by label and boundary as in the schemes of SemEval-2013 task 9 (Segura-Bedmar et al., 2013,
https://aclanthology.org/S13-2056): a span is right, missed, spurious, or of a wrong label, wrong boundaries, or both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from palm.data.spans import Span

SpanErrorKind = Literal["missed", "spurious", "label", "boundary", "both"]
SPAN_ERRORS: tuple[SpanErrorKind, ...] = ("missed", "spurious", "label", "boundary", "both")


@dataclass(frozen=True)
class SpanError:
    """A span that is wrong.

    Attributes:
        kind: `missed`: gold alone. `spurious`: predicted alone. `label`: the same words with another label.
            `boundary`: some common words, the same label. `both`: some common words, another label.
        gold: The gold span; None for a spurious one.
        predicted: The predicted span; None for a missed one.
    """

    kind: SpanErrorKind
    gold: Span | None
    predicted: Span | None


def span_errors(gold: Sequence[Span], predicted: Sequence[Span]) -> list[SpanError]:
    """The errors of one text, in the order of its words.

    Each span has part in one pair at most. Equal spans are paired first, then those of the same words, then those of
    one label with common words, then others with common words; the pair with most common words first, then the
    leftmost. What has no partner is missed or spurious.
    """
    rest, found = sorted({*gold} - {*predicted}), sorted({*predicted} - {*gold})
    errors: list[SpanError] = []
    for kind, one, other in _pairs(rest, found):
        if one in rest and other in found:
            rest.remove(one)
            found.remove(other)
            errors.append(SpanError(kind, one, other))
    errors += [SpanError("missed", one, None) for one in rest]
    errors += [SpanError("spurious", None, other) for other in found]
    return sorted(errors, key=lambda error: error.gold or error.predicted or Span(0, 0, ""))


def _pairs(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[tuple[SpanErrorKind, Span, Span]]:
    """All pairs with common words, the best first."""
    ranked = []
    for one in gold:
        for other in predicted:
            common = min(one.end, other.end) - max(one.start, other.start)
            if common > 0:
                kind = _kind(one, other)
                ranked.append((_ORDER[kind], -common, one, other, kind))
    for _, _, one, other, kind in sorted(ranked):
        yield kind, one, other


_ORDER = {"label": 0, "boundary": 1, "both": 2}


def _kind(gold: Span, predicted: Span) -> SpanErrorKind:
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return "label"
    return "boundary" if gold.type == predicted.type else "both"
