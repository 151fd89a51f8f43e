"""Relations between spans: scores of each label, and errors by kind."""

from collections import Counter
from collections.abc import Sequence

from palm.analysis.relation_errors import RELATION_ERRORS, RelationError, RelationErrorKind, relation_errors
from palm.analysis.scores import Facts, Scores, score_placed
from palm.data.spans import Relation


class ErrorsOfRelation(Facts):
    """How many relations of one label are right, and wrong in which way.

    Attributes:
        name: The label: that of the gold relation, or of a spurious one its own.
        right: Relations that are right.
        missed: Gold relations without a predicted one.
        spurious: Predicted relations without a gold one.
        label: The same spans with another label.
        direction: From the tail to the head.
        ends: Spans with some common words, the same label.
    """

    name: str
    right: int
    missed: int
    spurious: int
    label: int
    direction: int
    ends: int


class RelationAnalysis(Facts):
    """What predicted relations tell.

    Attributes:
        types: Scores of each label; a relation is right with its label and both spans.
        micro: Scores over all relations.
        macro: Mean of the scores of all labels.
        errors: Errors of each label by kind.
        total: Those of all labels.
    """

    types: list[Scores]
    micro: Scores
    macro: Scores
    errors: list[ErrorsOfRelation]
    total: ErrorsOfRelation


def analyse_relations(gold: Sequence[Sequence[Relation]], predicted: Sequence[Sequence[Relation]]) -> RelationAnalysis:
    """Compare the gold and the predicted relations of each row."""
    pairs = list(zip(gold, predicted, strict=True))
    wanted, found = ({(number, one) for number, both in enumerate(pairs) for one in both[side]} for side in (0, 1))
    types, micro, macro = score_placed(wanted, found)
    wrong = [error for both in pairs for error in relation_errors(*both)]
    errors = _errors_by_label(wrong, Counter(one.type for _, one in wanted & found))
    kinds = ("right", *RELATION_ERRORS)
    total = ErrorsOfRelation(name="", **{kind: sum(getattr(each, kind) for each in errors) for kind in kinds})
    return RelationAnalysis(types=types, micro=micro, macro=macro, errors=errors, total=total)


def _errors_by_label(wrong: Sequence[RelationError], right: Counter[str]) -> list[ErrorsOfRelation]:
    counts: Counter[tuple[str, RelationErrorKind]] = Counter((error.relation.type, error.kind) for error in wrong)
    names = sorted({*right, *(name for name, _ in counts)})
    return [
        ErrorsOfRelation(name=name, right=right[name], **{kind: counts[name, kind] for kind in RELATION_ERRORS})
        for name in names
    ]
