"""The analysis of a task: one pass over rows with gold labels, and everything that the report shows of it."""

from pydantic import Field

from palm.analysis.answers import AnswerAnalysis, analyse_answers
from palm.analysis.calibration import Calibration, calibration_of, fit_temperature
from palm.analysis.classes import ClassAnalysis, analyse_classes
from palm.analysis.compared import ComparedTask, compare_task
from palm.analysis.evaluated import AfterRows
from palm.analysis.label_sets import LabelSetAnalysis, analyse_label_sets
from palm.analysis.numbers import NumberAnalysis, analyse_numbers
from palm.analysis.ranks import RankAnalysis, analyse_candidates, analyse_order, analyse_tokens
from palm.analysis.scores import Facts
from palm.analysis.spans import SpanAnalysis, analyse_spans
from palm.analysis.wrong_rows import WrongRow, wrong_rows
from palm.data.dataset import Dataset
from palm.errors import DataError
from palm.inference.predictor import Predictor
from palm.paradigm.base import PARADIGMS
from palm.paradigm.comparison import (
    ComparedAnswers,
    ComparedCandidates,
    ComparedClasses,
    ComparedLabelSets,
    ComparedNumbers,
    ComparedOrder,
    ComparedSpans,
    ComparedTokens,
)

MOST_ERRORS = 50
"""Errors that an analysis keeps with their texts."""


class Suggested(Facts):
    """The temperature with the least negative log likelihood on the very rows that were analysed.

    Attributes:
        temperature: The temperature; None if the rows determine none.
        reason: Why they do not.
        calibration: The calibration with it, on the same rows, which therefore flatters it.
    """

    temperature: float | None
    reason: str = ""
    calibration: Calibration | None = None


class TaskAnalysis(Facts):
    """What a model's predictions on rows with gold labels tell of a task. Of its kinds of answers one is there.

    Attributes:
        task: The task.
        paradigm: The registered name of its paradigm.
        data: Where the rows are from.
        rows: How many were analysed.
        wrong: How many of them are wrong; of numbers, which are hardly ever equal, None.
        metrics: Mean loss, if known, and metrics, as fractions of 1.
        classes: For one class per row.
        label_sets: For several labels per row.
        numbers: For numbers.
        spans: For tags of words.
        answers: For answers to questions.
        ranks: For candidates, masked tokens and the order of texts.
        calibration: The calibration of the probabilities; None without any.
        uncalibrated: Why no temperature can be fitted; None if one can.
        suggested: The temperature that fits these rows; None where `uncalibrated` says why.
        errors: The worst rows, worst first.
    """

    task: str
    paradigm: str
    data: str
    rows: int
    wrong: int | None
    metrics: dict[str, float]
    classes: ClassAnalysis | None = None
    label_sets: LabelSetAnalysis | None = None
    numbers: NumberAnalysis | None = None
    spans: SpanAnalysis | None = None
    answers: AnswerAnalysis | None = None
    ranks: RankAnalysis | None = None
    calibration: Calibration | None = None
    uncalibrated: str | None = None
    suggested: Suggested | None = None
    errors: list[WrongRow] = Field(default_factory=list)


def analyse_task(
    predictor: Predictor, dataset: Dataset, progress: AfterRows | None = None, *, most_errors: int = MOST_ERRORS
) -> TaskAnalysis:
    """Analyse a model's predictions on rows with gold labels.

    Args:
        predictor: The model.
        dataset: At least one row with gold labels, as its reader reads them.
        progress: Called with the number of finished rows, and of all.
        most_errors: How many errors are kept with their texts.

    Raises:
        ConfigError: A package is not installed, or the answers of the task cannot be compared with gold.
    """
    compared = compare_task(predictor, dataset, progress)
    paradigm = compared.task.paradigm
    kind, analysis = _of_kind(compared)
    return TaskAnalysis(
        task=compared.task.name,
        paradigm=PARADIGMS.name_of(paradigm),
        data=str(dataset.file),
        rows=len(dataset.records),
        wrong=None if isinstance(compared.comparison, ComparedNumbers) else len(compared.wrong),
        metrics=dict(compared.metrics),
        **{kind: analysis},
        calibration=None if compared.scored is None else calibration_of(compared.scored, paradigm.temperature),
        uncalibrated=paradigm.uncalibrated,
        suggested=_suggest(compared),
        errors=wrong_rows(compared, most_errors),
    )


def _of_kind(compared: ComparedTask) -> tuple[str, Facts]:
    """The field of `TaskAnalysis`, and the analysis, for the kind of answers."""
    rows = compared.comparison
    if isinstance(rows, ComparedClasses):
        return "classes", analyse_classes(rows)
    if isinstance(rows, ComparedLabelSets):
        return "label_sets", analyse_label_sets(rows)
    if isinstance(rows, ComparedNumbers):
        return "numbers", analyse_numbers(rows)
    if isinstance(rows, ComparedSpans):
        return "spans", analyse_spans(rows)
    if isinstance(rows, ComparedAnswers):
        return "answers", analyse_answers(rows, compared.exact, compared.f1)
    return "ranks", _ranks(rows)


def _ranks(rows: ComparedCandidates | ComparedTokens | ComparedOrder) -> RankAnalysis:
    if isinstance(rows, ComparedCandidates):
        return analyse_candidates(rows)
    return analyse_tokens(rows) if isinstance(rows, ComparedTokens) else analyse_order(rows)


def _suggest(compared: ComparedTask) -> Suggested | None:
    if compared.scored is None or compared.task.paradigm.uncalibrated is not None:
        return None
    try:
        temperature = fit_temperature(compared.scored, str(compared.dataset.file))
    except DataError as error:
        return Suggested(temperature=None, reason=error.problems[0].message)
    return Suggested(temperature=temperature, calibration=calibration_of(compared.scored, temperature))
