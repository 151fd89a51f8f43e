"""The analysis of a task: one pass over rows with gold labels, and everything that the report shows of it."""

from palm.analysis.answers import analyse_answers
from palm.analysis.calibration import calibration_of, fit_temperature
from palm.analysis.classes import analyse_classes
from palm.analysis.compared import ComparedTask, compare_task
from palm.analysis.evaluated import AfterRows
from palm.analysis.label_sets import analyse_label_sets
from palm.analysis.numbers import analyse_numbers
from palm.analysis.ranks import RankAnalysis, analyse_candidates, analyse_order, analyse_texts, analyse_tokens
from palm.analysis.scores import Facts
from palm.analysis.spans import analyse_spans
from palm.analysis.task_analysis import Suggested, TaskAnalysis
from palm.analysis.wrong_rows import wrong_rows
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
    ComparedTexts,
    ComparedTokens,
)

MOST_ERRORS = 50
"""Errors that an analysis keeps with their texts."""


def analyse_task(
    predictor: Predictor,
    dataset: Dataset,
    progress: AfterRows | None = None,
    *,
    most_errors: int = MOST_ERRORS,
    of_rows: int | None = None,
) -> TaskAnalysis:
    """Analyse a model's predictions on rows with gold labels.

    Args:
        predictor: The model.
        dataset: At least one row with gold labels, as its reader reads them.
        progress: Called with the number of finished examples, and of all.
        most_errors: How many errors are kept with their texts.
        of_rows: How many rows the data have of which these were sampled; these alone by default.

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
        of_rows=of_rows or len(dataset.records),
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


def _ranks(rows: ComparedCandidates | ComparedTokens | ComparedOrder | ComparedTexts) -> RankAnalysis:
    if isinstance(rows, ComparedTexts):
        return analyse_texts(rows)
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
