"""Charts of predictions: confusion matrices, errors of spans by kind, reliability diagrams, numbers against gold."""

from collections.abc import Mapping, Sequence

import altair as alt

from palm.analysis.answers import AnswerAnalysis
from palm.analysis.calibration import Calibration
from palm.analysis.classes import ClassAnalysis
from palm.analysis.numbers import NumberAnalysis
from palm.analysis.span_errors import SPAN_ERRORS
from palm.analysis.spans import SpanAnalysis
from palm.locale.current import translated_word
from palm.report.charts import bar_chart, chart_spec, heat_map
from palm.report.section import Chart
from palm.report.words import shown_text, words

SPAN_ERROR_NAMES = {
    "missed": "missed",
    "spurious": "spurious",
    "label": "wrong label",
    "boundary": "wrong boundary",
    "both": "wrong label and boundary",
}
_MOST_CLASSES = 30
_MOST_TYPES = 12
_SIDE = 260


def confusion_chart(classes: ClassAnalysis) -> Chart:
    """The confusion matrix: of many classes, those with most errors."""
    matrix = classes.matrix(_MOST_CLASSES)
    cells: dict[tuple[str, str], float | None] = {
        (gold, predicted): count
        for gold, counts in zip(matrix.names, matrix.counts, strict=True)
        for predicted, count in zip(matrix.names, counts, strict=True)
    }
    of = len(classes.classes)
    shown = (
        f"of the {len(matrix.names) - 1} of {of} classes with most errors" if of > _MOST_CLASSES else "of all classes"
    )
    return heat_map(
        "Confusion matrix",
        f"How many rows of each gold class were predicted as which class, {shown}.",
        cells,
        diverging=False,
        value_format=",d",
        axes=(translated_word("gold"), translated_word("predicted")),
        is_wide=len(matrix.names) > _MOST_TYPES,
    )


def span_error_chart(spans: SpanAnalysis) -> Chart:
    """How many spans of each type are wrong in which way, of the types with most errors."""
    ranked = sorted(spans.errors, key=lambda each: (-sum(getattr(each, kind) for kind in SPAN_ERRORS), each.name))
    rows = [
        (each.name, translated_word(SPAN_ERROR_NAMES[kind]), float(getattr(each, kind)))
        for each in ranked[:_MOST_TYPES]
        for kind in SPAN_ERRORS
        if getattr(each, kind)
    ]
    title, description = "Errors of spans by kind", "How many spans of each type are wrong in which way."
    return bar_chart(title, description, rows, value_format=",d", value_title=translated_word("spans"))


def answer_chart(answers: AnswerAnalysis) -> Chart:
    """Exact match and F1 of the most frequent question words."""
    groups = answers.by_question_word[:_MOST_TYPES]
    names = [f"{shown_text(each.name)} ({each.count:,})" for each in groups]
    exact, f1 = words("exact match", "F1")
    rows = [
        row
        for name, each in zip(names, groups, strict=True)
        for row in ((name, exact, each.exact_match), (name, f1, each.f1))
    ]
    title, description = "Answers by question word", "Exact match and F1 of the questions of each question word."
    return bar_chart(title, description, rows)


def reliability_chart(calibrations: Mapping[str, Calibration]) -> Chart:
    """The reliability diagram: fraction that is right by confidence, beside the diagonal of probabilities to trust."""
    rows = [
        {"n": name, "c": each.confidence, "a": each.accuracy, "k": each.count}
        for name, calibration in calibrations.items()
        for each in calibration.bins
        if each.count
    ]
    diagonal = alt.Chart(alt.InlineData(values=[{"c": 0.0, "a": 0.0}, {"c": 1.0, "a": 1.0}]))
    axis = alt.Axis(format=".0%", tickCount=5)
    confidence = alt.X("c:Q", title=translated_word("mean confidence"), axis=axis, scale=alt.Scale(domain=[0, 1]))
    accuracy = alt.Y("a:Q", title=translated_word("fraction that is right"), axis=axis, scale=alt.Scale(domain=[0, 1]))
    names = list(calibrations)
    legend = alt.Legend(orient="top", symbolSize=70) if len(names) > 1 else None
    colour = alt.Color("n:N", sort=names, scale=alt.Scale(domain=names), title=None, legend=legend)
    tooltip = [
        alt.Tooltip("n:N", title=translated_word("probabilities")),
        alt.Tooltip("c:Q", title=translated_word("mean confidence"), format=".1%"),
        alt.Tooltip("a:Q", title=translated_word("right"), format=".1%"),
        alt.Tooltip("k:Q", title=translated_word("count"), format=",d"),
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    layers = [
        diagonal.mark_line(strokeDash=[4, 4], strokeWidth=1, opacity=0.6).encode(confidence, accuracy),
        base.mark_line(strokeWidth=2).encode(confidence, accuracy, colour),
        base.mark_point(filled=True, opacity=0.9).encode(
            confidence,
            accuracy,
            colour,
            size=alt.Size("k:Q", legend=None, scale=alt.Scale(range=[25, 260])),
            tooltip=tooltip,
        ),
    ]
    spec = chart_spec(alt.layer(*layers).properties(height=_SIDE))
    text = "On the dashed line nine in ten answers of probability 0.9 are right; below it the model is too certain."
    return Chart("Reliability diagram", spec, text)


def number_chart(numbers: NumberAnalysis) -> Chart:
    """Predicted numbers against gold ones."""
    rows = [{"g": gold, "p": predicted} for gold, predicted in numbers.points]
    ends = _ends([value for pair in numbers.points for value in pair])
    line = alt.Chart(alt.InlineData(values=[{"g": end, "p": end} for end in ends]))
    gold = alt.X("g:Q", title=translated_word("gold"), scale=alt.Scale(zero=False, nice=False))
    predicted = alt.Y("p:Q", title=translated_word("predicted"), scale=alt.Scale(zero=False))
    points = alt.Chart(alt.InlineData(values=rows)).mark_point(filled=True, size=28, opacity=0.5)
    tooltip = [
        alt.Tooltip("g:Q", title=translated_word("gold"), format=".4~g"),
        alt.Tooltip("p:Q", title=translated_word("predicted"), format=".4~g"),
    ]
    layers = [
        line.mark_line(strokeDash=[4, 4], strokeWidth=1, opacity=0.6).encode(gold, predicted),
        points.encode(gold, predicted, tooltip=tooltip),
    ]
    spec = chart_spec(alt.layer(*layers).properties(height=_SIDE))
    return Chart(
        "Predicted and gold numbers",
        spec,
        "Each row by its gold and its predicted number; on the dashed line both are equal.",
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 1.0)
