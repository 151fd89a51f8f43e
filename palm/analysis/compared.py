"""A task after one pass over rows with gold labels: predictions beside gold, and the rows that are wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palm.analysis.calibration import Scored
from palm.analysis.evaluated import AfterRows, RowsEvaluation
from palm.analysis.outcomes import RowFacts, RowOutcome, outcomes_of
from palm.analysis.scored import of_labels, scored_of
from palm.data.dataset import Dataset, Record
from palm.engine.task_instance import TaskInstance
from palm.inference.predictor import Predictor
from palm.metric.base import METRICS
from palm.paradigm.comparison import ComparedAnswers, Comparison, ScoredLabels, join_comparisons


@dataclass(frozen=True)
class ComparedTask:
    """A task after the pass over its rows.

    Attributes:
        task: The task.
        dataset: The rows.
        comparison: All predictions beside gold.
        wrong: Number and outcome of each row that is wrong, worst first; of numbers, of every row.
        scored: What has probabilities; None if nothing has.
        metrics: Mean loss, if known, and metrics.
        exact: Exact match of each answer to a question; empty for other answers.
        f1: F1 of each.
    """

    task: TaskInstance
    dataset: Dataset
    comparison: Comparison
    wrong: Sequence[tuple[int, RowOutcome]]
    scored: Scored | None
    metrics: Mapping[str, float]
    exact: np.ndarray
    f1: np.ndarray


def compare_task(predictor: Predictor, dataset: Dataset, progress: AfterRows | None = None) -> ComparedTask:
    """Predict rows with gold labels, and find those that are wrong.

    Args:
        predictor: The model.
        dataset: At least one row with gold labels, as its reader reads them.
        progress: Called with the number of finished examples, and of all.

    Raises:
        ConfigError: The answers of the task cannot be compared with gold.
    """
    task = predictor.instance
    evaluation = RowsEvaluation(predictor, dataset, progress)
    comparisons, wrong, exact, f1 = list[Comparison](), list[tuple[int, RowOutcome]](), list[float](), list[float]()
    labels: list[list[ScoredLabels]] = []
    for part in evaluation.parts():
        if isinstance(part.comparison, ComparedAnswers):
            scores = _answer_scores(task, part.predictions, part.dataset.records)
            exact += [each[0] for each in scores]
            f1 += [each[1] for each in scores]
        labels += part.labels or []
        own = slice(part.first, part.first + len(part.dataset.records))
        facts = RowFacts(task.paradigm.temperature, _losses(part.labels, task), np.array(exact[own]), np.array(f1[own]))
        outcomes = enumerate(outcomes_of(part.comparison, facts), part.first)
        wrong += [(number, outcome) for number, outcome in outcomes if not outcome.is_right]
        comparisons.append(part.comparison)
    wrong.sort(key=lambda pair: (-pair[1].badness, pair[0]))
    whole = join_comparisons(comparisons)
    scored = scored_of(whole, labels or None, np.array(exact) if exact else None)
    return ComparedTask(task, dataset, whole, wrong, scored, evaluation.metrics(), np.array(exact), np.array(f1))


def _answer_scores(
    task: TaskInstance, predictions: Sequence[Record], records: Sequence[Record]
) -> list[tuple[float, float]]:
    """Exact match and F1 of each answer, by the task's metric that computes both, or else the paradigm's."""
    names = [*task.settings.metrics, *task.paradigm.default_metrics] if task.settings.metrics else []
    for name in names or task.paradigm.default_metrics:
        scores = [METRICS[name]([one], [other]) for one, other in zip(predictions, records, strict=True)]
        if all({"exact_match", "f1"} <= each.keys() for each in scores):
            return [(each["exact_match"], each["f1"]) for each in scores]
    return [(0.0, 0.0)] * len(records)


def _losses(labels: Sequence[Sequence[ScoredLabels]] | None, task: TaskInstance) -> list[float | None] | None:
    """Mean negative log likelihood of the labels inside each row; None without their scores."""
    if labels is None:
        return None
    found: list[float | None] = []
    for row in labels:
        scored = of_labels(row)
        found.append(None if scored is None else float(scored.probabilities(task.paradigm.temperature).losses.mean()))
    return found
