"""Sections about predictions on dev rows, from the analyses that are kept beside each run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.analysis.answers import AnswerAnalysis, AnswerGroup
from palm.analysis.calibration import Calibration
from palm.analysis.classes import ClassAnalysis
from palm.analysis.kept import read_analyses
from palm.analysis.label_sets import LabelSetAnalysis
from palm.analysis.numbers import NumberAnalysis
from palm.analysis.ranks import RankAnalysis
from palm.analysis.scores import Scores
from palm.analysis.span_errors import SPAN_ERRORS
from palm.analysis.spans import ErrorsOfType, SpanAnalysis
from palm.analysis.task_analysis import TaskAnalysis, WrongRow
from palm.errors import counted
from palm.report.prediction_charts import (
    SPAN_ERROR_NAMES,
    confusion_chart,
    number_chart,
    reliability_chart,
    span_error_chart,
)
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Cell, Chart, Paragraph, Section, Table

NOT_ANALYSED = "no dev rows, no inference model yet, or not predicted (--no-predict)"
_MANY = 12
_LONGEST_TEXT = 600
_HOW = "`palm calibrate` stores this temperature with the model"


def prediction_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """A section for each task of each run that was analysed, and one that names the others."""
    missing: list[str] = []
    number = 0
    for run in runs:
        found = read_analyses(run.folder, run.task_names)
        of_run = f" ({run.name})" if len(runs) > 1 else ""
        for task in run.task_names:
            if task not in found:
                missing.append(f"{task}{of_run}")
                continue
            number += 1
            title = f"Predictions of {task}{of_run}"
            yield Section(f"predictions-{number}", title, charts_first(list(blocks_of(found[task]))))
    if number and missing:
        text = f"Predictions were not analysed: {', '.join(missing)}: {NOT_ANALYSED}."
        yield Section("predictions-missing", "Predictions of other tasks", [Paragraph(text, is_note=True)])


def charts_first(blocks: Sequence[Block]) -> list[Block]:
    """The first block, all charts, which so stand side by side, and the others."""
    rest = blocks[1:]
    charts = [block for block in rest if isinstance(block, Chart)]
    return [*blocks[:1], *charts, *(block for block in rest if not isinstance(block, Chart))]


def blocks_of(analysis: TaskAnalysis) -> Iterator[Block]:
    """What is shown of a task."""
    yield Paragraph(_summary(analysis))
    if analysis.classes is not None:
        yield from _classes(analysis.classes)
    if analysis.label_sets is not None:
        yield from _label_sets(analysis.label_sets)
    if analysis.spans is not None:
        yield from _spans(analysis.spans)
    if analysis.answers is not None:
        yield from _answers(analysis.answers)
    if analysis.numbers is not None:
        yield from _numbers(analysis.numbers)
    if analysis.ranks is not None:
        yield from _ranks(analysis.ranks)
    yield from _calibration(analysis)
    if analysis.errors:
        yield _errors(analysis.errors)


def _summary(analysis: TaskAnalysis) -> str:
    of = f" of {analysis.of_rows:,}" if analysis.of_rows > analysis.rows else ""
    rows = f"{analysis.rows:,}{of} {'row' if analysis.of_rows == 1 else 'rows'}"
    wrong = "" if analysis.wrong is None else f", {analysis.wrong:,} of them wrong"
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in analysis.metrics.items())
    return f"{rows} of {Path(analysis.data).name} ({analysis.paradigm}){wrong}: {metrics}."


def _scores_table(title: str, name: str, scores: Sequence[Scores]) -> Table:
    rows = [(each.name, each.precision, each.recall, each.f1, each.support) for each in scores]
    return Table(title, (name, "precision", "recall", "F1", "support"), rows, is_folded=len(rows) > _MANY)


def _classes(classes: ClassAnalysis) -> Iterator[Block]:
    yield confusion_chart(classes)
    confused = classes.confused()
    if confused:
        rows = [(each.gold, each.predicted, each.count, f"{each.fraction:.1%}") for each in confused]
        yield Table(
            "Classes that are confused most",
            ("gold", "predicted", "rows", "of the gold class"),
            rows,
            is_folded=len(rows) > _MANY,
        )
    yield _scores_table("Scores of each class", "class", [*classes.classes, classes.macro, classes.weighted])


def _label_sets(found: LabelSetAnalysis) -> Iterator[Block]:
    text = f"Exactly the gold labels: {found.set_accuracy:.1%} of rows; wrong decisions: {found.hamming_loss:.2%}."
    yield Paragraph(text)
    yield _scores_table("Scores of each label", "label", [*found.labels, found.micro, found.macro])
    rows = [(each.name, each.right, each.missing, each.spurious, each.absent) for each in found.counts]
    header = ("label", "right", "missing", "spurious", "rightly absent")
    yield Table("Decisions on each label", header, rows, is_folded=len(rows) > _MANY)


def _spans(spans: SpanAnalysis) -> Iterator[Block]:
    if spans.total is not None and any(getattr(spans.total, kind) for kind in SPAN_ERRORS):
        yield span_error_chart(spans)
        header = ("type", "right", *SPAN_ERROR_NAMES.values())
        rows = [_kinds(each) for each in (*spans.errors, spans.total)]
        yield Table("Errors of spans by kind", header, rows, is_folded=len(rows) > _MANY)
    if spans.confused:
        confused = [(each.gold, each.predicted, each.count) for each in spans.confused]
        yield Table("Types that are confused", ("gold", "predicted", "spans"), confused)
    if spans.micro is not None and spans.macro is not None:
        yield _scores_table("Scores of each type of spans", "type", [*spans.types, spans.micro, spans.macro])
    else:
        yield _scores_table("Scores of each tag", "tag", spans.tags)


def _kinds(errors: ErrorsOfType) -> tuple[Cell, ...]:
    return (errors.name or "all", errors.right, *(getattr(errors, kind) for kind in SPAN_ERRORS))


def _answers(answers: AnswerAnalysis) -> Iterator[Block]:
    parts = {
        "By question word": answers.by_question_word,
        "By length of the context": answers.by_context_length,
        "By length of the question": answers.by_question_length,
        "By length of the answer": answers.by_answer_length,
        "Questions with and without an answer": answers.by_answer_kind,
    }
    for title, groups in parts.items():
        if groups:
            yield _groups_table(title, groups)


def _groups_table(title: str, groups: Sequence[AnswerGroup]) -> Table:
    rows = [(each.name, each.count, f"{each.exact_match:.1%}", f"{each.f1:.1%}") for each in groups]
    return Table(title, ("questions", "number", "exact match", "F1"), rows, is_folded=len(rows) > _MANY)


def _numbers(numbers: NumberAnalysis) -> Iterator[Block]:
    yield number_chart(numbers)
    rows: list[tuple[Cell, ...]] = [
        ("mean absolute error", numbers.mean_absolute_error),
        ("root mean squared error", numbers.root_mean_squared_error),
        ("R²", numbers.r2),
        ("mean of predicted − gold", numbers.bias),
    ]
    yield Table("Distance from gold", ("measure", "value"), rows)


def _ranks(ranks: RankAnalysis) -> Iterator[Block]:
    if ranks.ranks:
        rows = [(number, count) for number, count in enumerate(ranks.ranks, 1)]
        yield Table("Rank of the right candidate", ("rank", "rows"), rows, is_folded=len(rows) > _MANY)
    if ranks.groups:
        groups = [(each.name, each.count, f"{each.accuracy:.1%}") for each in ranks.groups]
        yield Table("Right answers", ("of", "number", "right"), groups, is_folded=len(groups) > _MANY)


def _calibration(analysis: TaskAnalysis) -> Iterator[Block]:
    if analysis.calibration is None:
        if analysis.uncalibrated is not None:
            yield Paragraph(f"No calibration: {analysis.uncalibrated}.", is_note=True)
        return
    found = {f"temperature {analysis.calibration.temperature:.3g}": analysis.calibration}
    suggested = analysis.suggested
    if suggested is not None and suggested.temperature is not None and suggested.calibration is not None:
        found.setdefault(f"temperature {suggested.temperature:.3g}", suggested.calibration)
    yield reliability_chart(found)
    rows = [_calibration_row(name, each) for name, each in found.items()]
    unit = analysis.calibration.unit
    title = f"Calibration on {counted(analysis.calibration.count, unit)}, {len(analysis.calibration.bins)} bins"
    yield Table(title, ("probabilities", "right", "mean confidence", "ECE", "Brier score", "NLL"), rows)
    if suggested is not None and suggested.temperature is None:
        yield Paragraph(f"No temperature was fitted: {suggested.reason}", is_note=True)
    elif len(found) > 1:
        text = f"The second temperature is fitted to the same rows, which flatters it. {_HOW}, and changes no answer."
        yield Paragraph(text, is_note=True)


def _calibration_row(name: str, found: Calibration) -> tuple[Cell, ...]:
    return (name, f"{found.accuracy:.1%}", f"{found.confidence:.1%}", found.ece, found.brier, found.nll)


def _errors(rows: Sequence[WrongRow]) -> Table:
    cells: list[tuple[Cell, ...]] = [
        (row.line, _text(row), _cut(row.gold), _cut(row.predicted), row.probability, row.loss, _cut(row.remark))
        for row in rows
    ]
    texts = frozenset({1, 2, 3, 6})
    return Table(
        f"The {len(rows)} worst rows",
        ("line", "text", "gold", "predicted", "probability", "loss", "what is wrong"),
        cells,
        is_folded=True,
        texts=texts,
    )


def _text(row: WrongRow) -> str:
    return _cut("\n".join(text for name, text in row.columns.items() if name != "id"))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… ({len(text):,} characters)"
