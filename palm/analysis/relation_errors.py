"""Errors of relations by kind: which predicted relation stands for which gold one, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from palm.data.spans import Relation, Span

RelationErrorKind = Literal["missed", "spurious", "label", "direction", "ends"]
RELATION_ERRORS: tuple[RelationErrorKind, ...] = ("missed", "spurious", "label", "direction", "ends")


@dataclass(frozen=True)
class RelationError:
    """A relation that is wrong.

    Attributes:
        kind: `missed`: gold alone. `spurious`: predicted alone. `label`: the same spans with another label.
            `direction`: the same label between the same spans, from the tail to the head. `ends`: the same label, and
            both spans have words in common with the gold ones, but not all or not their types.
        gold: The gold relation; None for a spurious one.
        predicted: The predicted relation; None for a missed one.
    """

    kind: RelationErrorKind
    gold: Relation | None
    predicted: Relation | None

    @property
    def relation(self) -> Relation:
        """The gold relation, or else the predicted one."""
        return next(one for one in (self.gold, self.predicted) if one is not None)


def relation_errors(gold: Sequence[Relation], predicted: Sequence[Relation]) -> list[RelationError]:
    """The errors of one text, in the order of its relations.

    A relation is right if its label and both spans are, with their types. Each has part in one pair at most: those that
    are equal first, then those with another label, another direction, other spans. What has no partner is missed or
    spurious.
    """
    rest, found = sorted({*gold} - {*predicted}), sorted({*predicted} - {*gold})
    errors: list[RelationError] = []
    for kind, one, other in _pairs(rest, found):
        if one in rest and other in found:
            rest.remove(one)
            found.remove(other)
            errors.append(RelationError(kind, one, other))
    errors += [RelationError("missed", one, None) for one in rest]
    errors += [RelationError("spurious", None, other) for other in found]
    return sorted(errors, key=lambda error: error.relation)


def _pairs(
    gold: Sequence[Relation], predicted: Sequence[Relation]
) -> Iterator[tuple[RelationErrorKind, Relation, Relation]]:
    """All pairs of which one may stand for the other, the best first."""
    ranked = [(kind, one, other) for one in gold for other in predicted if (kind := _kind(one, other)) is not None]
    yield from sorted(ranked, key=lambda pair: (RELATION_ERRORS.index(pair[0]), *pair[1:]))


def _kind(gold: Relation, predicted: Relation) -> RelationErrorKind | None:
    ends = gold.head, gold.tail
    if ends == (predicted.head, predicted.tail):
        return "label"
    if gold.type != predicted.type:
        return None
    if ends == (predicted.tail, predicted.head):
        return "direction"
    return "ends" if _overlap(gold.head, predicted.head) and _overlap(gold.tail, predicted.tail) else None


def _overlap(one: Span, other: Span) -> bool:
    return max(one.start, other.start) < min(one.end, other.end)
