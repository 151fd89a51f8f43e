"""Spans and tags: scores of each type, and errors by kind."""

from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from palm.analysis.packages import metrics_package
from palm.analysis.relations import RelationAnalysis, analyse_relations
from palm.analysis.scores import Facts, Scores, score_classes, score_placed
from palm.analysis.span_errors import SPAN_ERRORS, SpanError, SpanErrorKind, span_errors
from palm.paradigm.comparison import ComparedSpans

_NO_SPAN = ""
_MOST_CONFUSED = 20


class ErrorsOfType(Facts):
    """How many spans of one type are right, and wrong in which way.

    Attributes:
        name: The type: that of the gold span, or of a spurious one its own.
        right: Spans that are right.
        missed: Gold spans without a predicted one.
        spurious: Predicted spans without a gold one.
        label: The same words with another label.
        boundary: Some common words with the same label.
        both: Some common words with another label.
    """

    name: str
    right: int
    missed: int
    spurious: int
    label: int
    boundary: int
    both: int


class TypeConfusion(Facts):
    """How often spans of one type were given another.

    Attributes:
        gold: The gold type.
        predicted: The predicted type.
        count: In how many spans, with the same words or some common ones.
    """

    gold: str
    predicted: str
    count: int


class SpanAnalysis(Facts):
    """What predicted tags tell.

    Attributes:
        token_accuracy: Fraction of words with the right tag; None for spans without tags.
        tags: Scores of each tag; none for spans without tags.
        types: Scores of each type of spans, which are right with both ends and the label; none for tags without spans.
        micro: Scores over all spans; None for tags without spans.
        macro: Mean of the scores of all types; None for tags without spans.
        errors: Errors of each type by kind.
        total: Those of all types.
        confused: The types that are confused most often.
        relations: The relations between spans; None for a task without.
    """

    token_accuracy: float | None
    tags: list[Scores]
    types: list[Scores] = Field(default_factory=list)
    micro: Scores | None = None
    macro: Scores | None = None
    errors: list[ErrorsOfType] = Field(default_factory=list)
    total: ErrorsOfType | None = None
    confused: list[TypeConfusion] = Field(default_factory=list)
    relations: RelationAnalysis | None = None


def analyse_spans(rows: ComparedSpans) -> SpanAnalysis:
    """Compare the gold and the predicted tags and spans of at least one row with a word."""
    accuracy, tags = _tag_scores(rows)
    if rows.gold_spans is None or rows.predicted_spans is None:
        return SpanAnalysis(token_accuracy=accuracy, tags=tags)
    pairs = list(zip(rows.gold_spans, rows.predicted_spans, strict=True))
    wanted, found = ({(number, span) for number, both in enumerate(pairs) for span in both[side]} for side in (0, 1))
    types, micro, macro = score_placed(wanted, found)
    wrong = [error for both in pairs for error in span_errors(*both)]
    errors = _errors_by_type(wrong, Counter(span.type for _, span in wanted & found))
    return SpanAnalysis(
        token_accuracy=accuracy,
        tags=tags,
        types=types,
        micro=micro,
        macro=macro,
        errors=errors,
        total=_total(errors),
        confused=_confused(wrong),
        relations=_relations(rows),
    )


def _relations(rows: ComparedSpans) -> RelationAnalysis | None:
    if rows.gold_relations is None or rows.predicted_relations is None:
        return None
    return analyse_relations(rows.gold_relations, rows.predicted_relations)


def _tag_scores(rows: ComparedSpans) -> tuple[float | None, list[Scores]]:
    """The fraction of right tags, and the scores of each tag; nothing for spans without tags."""
    if rows.gold_tags is None or rows.predicted_tags is None:
        return None, []
    gold, predicted = ([tag for tags in side for tag in tags] for side in (rows.gold_tags, rows.predicted_tags))
    scores = score_classes(gold, predicted, sorted({*gold, *predicted}))[0]
    return float(metrics_package().accuracy_score(gold, predicted)), scores


def _errors_by_type(wrong: Sequence[SpanError], right: Counter[str]) -> list[ErrorsOfType]:
    counts: Counter[tuple[str, SpanErrorKind]] = Counter()
    for error in wrong:
        span = error.gold or error.predicted
        counts[span.type if span else _NO_SPAN, error.kind] += 1
    names = sorted({*right, *(name for name, _ in counts)})
    return [
        ErrorsOfType(name=name, right=right[name], **{kind: counts[name, kind] for kind in SPAN_ERRORS})
        for name in names
    ]


def _total(errors: Sequence[ErrorsOfType]) -> ErrorsOfType:
    kinds = ("right", *SPAN_ERRORS)
    return ErrorsOfType(name="", **{kind: sum(getattr(each, kind) for each in errors) for kind in kinds})


def _confused(wrong: Sequence[SpanError]) -> list[TypeConfusion]:
    pairs = Counter(
        (error.gold.type, error.predicted.type)
        for error in wrong
        if error.gold and error.predicted and error.gold.type != error.predicted.type
    )
    ranked = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_CONFUSED]
    return [TypeConfusion(gold=gold, predicted=predicted, count=count) for (gold, predicted), count in ranked]
