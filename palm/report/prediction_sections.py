"""Sections about predictions on dev rows, from the analyses that are kept beside each run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.analysis.answers import AnswerAnalysis
from palm.analysis.calibration import Calibration
from palm.analysis.classes import ClassAnalysis
from palm.analysis.kept import read_analyses
from palm.analysis.label_sets import LabelSetAnalysis
from palm.analysis.numbers import NumberAnalysis
from palm.analysis.ranks import RankAnalysis
from palm.analysis.task_analysis import TaskAnalysis
from palm.errors import counted
from palm.locale.current import translated_word
from palm.report.prediction_charts import answer_chart, confusion_chart, number_chart, reliability_chart
from palm.report.prediction_tables import MANY, groups_table, scores_table
from palm.report.result_sections import shown_number
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Cell, Chart, Paragraph, Section, Table
from palm.report.span_blocks import span_blocks
from palm.report.words import words
from palm.report.worst_rows import worst_rows

NOT_ANALYSED = "no dev rows, no inference model yet, or not predicted (--no-predict)"


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
        yield from span_blocks(analysis.spans)
    if analysis.answers is not None:
        yield from _answers(analysis.answers)
    if analysis.numbers is not None:
        yield from _numbers(analysis.numbers)
    if analysis.ranks is not None:
        yield from _ranks(analysis.ranks)
    yield from _calibration(analysis)
    if analysis.errors:
        yield worst_rows(analysis.errors)


def _summary(analysis: TaskAnalysis) -> str:
    chosen = analysis.rows < analysis.of_rows
    every = f"{analysis.rows:,} {'row' if analysis.rows == 1 else 'rows'}"
    rows = f"{analysis.rows:,} of {analysis.of_rows:,} rows" if chosen else every
    wrong = "" if analysis.wrong is None else f", {analysis.wrong:,} of them wrong"
    metrics = " · ".join(f"{name} {value:.4f}" for name, value in analysis.metrics.items())
    return f"{rows} of {Path(analysis.data).name}, paradigm {analysis.paradigm}{wrong}: {metrics}."


def _classes(classes: ClassAnalysis) -> Iterator[Block]:
    yield confusion_chart(classes)
    confused = classes.confused()
    if confused:
        rows = [(each.gold, each.predicted, each.count, f"{each.fraction:.1%}") for each in confused]
        yield Table(
            "Classes that are confused most",
            words("gold", "predicted", "rows", "of the gold class"),
            rows,
            is_folded=len(rows) > MANY,
        )
    yield scores_table("Scores of each class", "class", classes.classes, [classes.macro, classes.weighted])


def _label_sets(found: LabelSetAnalysis) -> Iterator[Block]:
    text = f"Exactly the gold labels: {found.set_accuracy:.1%} of rows; wrong decisions: {found.hamming_loss:.2%}."
    yield Paragraph(text)
    yield scores_table("Scores of each label", "label", found.labels, [found.micro, found.macro])
    rows = [(each.name, each.right, each.missing, each.spurious, each.absent) for each in found.counts]
    header = words("label", "right", "missing", "spurious", "rightly absent")
    yield Table("Decisions on each label", header, rows, is_folded=len(rows) > MANY)


def _answers(answers: AnswerAnalysis) -> Iterator[Block]:
    parts = (
        ("By question word", "question word", answers.by_question_word),
        ("By length of the context", "words of the context", answers.by_context_length),
        ("By length of the question", "words of the question", answers.by_question_length),
        ("By length of the answer", "words of the answer", answers.by_answer_length),
        ("Questions with and without an answer", "questions", answers.by_answer_kind),
    )
    yield answer_chart(answers)
    for title, column, groups in parts:
        if groups:
            yield groups_table(title, column, groups)


def _numbers(numbers: NumberAnalysis) -> Iterator[Block]:
    yield number_chart(numbers)
    rows: list[tuple[Cell, ...]] = [
        (translated_word("mean absolute error"), numbers.mean_absolute_error),
        (translated_word("root mean squared error"), numbers.root_mean_squared_error),
        ("R²", numbers.r2),
        (translated_word("mean of predicted − gold"), numbers.bias),
    ]
    yield Table("Distance from gold", words("measure", "value"), rows)


def _ranks(ranks: RankAnalysis) -> Iterator[Block]:
    if ranks.ranks:
        rows = [(number, count) for number, count in enumerate(ranks.ranks, 1)]
        yield Table("Rank of the right candidate", words("rank", "rows"), rows, is_folded=len(rows) > MANY)
    if ranks.groups:
        groups = [(each.name, each.count, f"{each.accuracy:.1%}") for each in ranks.groups]
        header = words("length" if ranks.by_length else "of", "number", "right")
        yield Table("Right answers", header, groups, is_folded=len(groups) > MANY)


def _calibration(analysis: TaskAnalysis) -> Iterator[Block]:
    if analysis.calibration is None:
        if analysis.uncalibrated is not None:
            yield Paragraph(f"No calibration: {analysis.uncalibrated}.", is_note=True)
        return
    found = {_temperature(analysis.calibration.temperature): analysis.calibration}
    suggested = analysis.suggested
    if suggested is not None and suggested.temperature is not None and suggested.calibration is not None:
        found.setdefault(_temperature(suggested.temperature), suggested.calibration)
    yield reliability_chart(found)
    rows = [_calibration_row(name, each) for name, each in found.items()]
    unit = analysis.calibration.unit
    title = f"Calibration on {counted(analysis.calibration.count, unit)}, {len(analysis.calibration.bins)} bins"
    header = words("probabilities", "right", "mean confidence", "ECE", "Brier score", "NLL")
    yield Table(title, header, rows)
    if suggested is not None and suggested.temperature is None:
        yield Paragraph(f"No temperature was fitted: {suggested.reason}", is_note=True)
    elif len(found) > 1:
        fitted = "The second temperature is fitted to the same rows, which flatters it."
        how = "`palm calibrate` stores it with the model, and changes no answer."
        yield Paragraph(f"{fitted} {how}", is_note=True)


def _temperature(value: float) -> str:
    return f"{translated_word('temperature')} {value:.3g}"


def _calibration_row(name: str, found: Calibration) -> tuple[Cell, ...]:
    return (
        name,
        f"{found.accuracy:.1%}",
        f"{found.confidence:.1%}",
        *map(shown_number, (found.ece, found.brier, found.nll)),
    )
