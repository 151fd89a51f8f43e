"""One pass of a model over rows with gold labels, part by part: predictions, comparison, scores and metrics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palm.data.dataset import Batch, Dataset
from palm.engine.predict import Compute, PredictionOutput, run_with, score
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.inference.predictor import Predictor
from palm.inference.runtime import compute_with
from palm.paradigm.base import Outputs, Prediction
from palm.paradigm.comparison import Comparison, ScoredLabels
from palm.spec import Phase

ROWS_AT_ONCE = 8192
"""Rows whose predictions are in memory at once."""

AfterRows = Callable[[int, int], None]
"""Called with the number of finished examples, and of all."""


@dataclass(frozen=True)
class EvaluatedRows:
    """Some rows of a data set, evaluated.

    Attributes:
        dataset: These rows.
        first: The number of the first one in the whole data set.
        comparison: Their predictions beside gold.
        labels: The scores of the labels inside each row, where predictions have none of them.
        predictions: Their predictions.
    """

    dataset: Dataset
    first: int
    comparison: Comparison
    labels: list[list[ScoredLabels]] | None
    predictions: list[Prediction]


class RowsEvaluation:
    """The pass; `metrics` is complete when `parts` is exhausted.

    Args:
        predictor: The model.
        dataset: Rows with gold labels, as its reader reads them.
        progress: Called after each batch.

    Raises:
        ConfigError: The answers of the task cannot be compared with gold.
    """

    def __init__(self, predictor: Predictor, dataset: Dataset, progress: AfterRows | None = None) -> None:
        self._task, self._dataset, self._progress = predictor.instance, dataset, progress
        self._compute = compute_with(predictor.runtime)
        self._predictions: list[Prediction] = []
        self._losses: list[tuple[float, int]] = []
        self._done = 0

    def parts(self) -> Iterator[EvaluatedRows]:
        """The rows, evaluated, in order."""
        count = len(self._dataset.records)
        alone = self._task.paradigm.decodes_alone
        size = ROWS_AT_ONCE if alone else max(count, 1)
        for first in range(0, count, size):
            part = self._dataset if count <= size else self._dataset.take(_between(count, first, first + size))
            yield self._evaluate(part, first)

    def metrics(self) -> dict[str, float]:
        """Mean loss, if known, and metrics over all rows, as fractions of 1."""
        weight = sum(count for _, count in self._losses)
        loss = sum(loss * count for loss, count in self._losses) / weight if weight else None
        return score(self._task, PredictionOutput(self._predictions, loss), self._dataset)

    def _evaluate(self, part: Dataset, first: int) -> EvaluatedRows:
        seen: list[ScoredLabels] = []
        found = run_with(self._observed(seen, part.num_examples), self._task, part, "eval")
        if found.loss is not None:
            self._losses.append((found.loss, part.num_examples))
        whole = len(part.records) == len(self._dataset.records)
        self._predictions += found.predictions if whole else map(_light, found.predictions)
        records = self._task.paradigm.gold_records(part.records)
        comparison = self._task.paradigm.compare(found.predictions, records)
        if comparison is None:
            rule = "predictions are compared with gold labels"
            advice = "A paradigm of your own says how in its method `compare`."
            raise ConfigError(Problem(self._task.name, f"{rule}, and these rows or predictions have none. {advice}"))
        labels = _by_record(seen, part) if len(seen) == part.num_examples else None
        return EvaluatedRows(part, first, comparison, labels, found.predictions)

    def _observed(self, seen: list[ScoredLabels], examples: int) -> Compute:
        """The computation, which also adds the scored labels of each example to `seen`, in the order of the batches."""
        size = self._task.settings.pred_batch_size or self._task.settings.batch_size
        before, whole = self._done, self._dataset.num_examples

        def computed(tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[tuple[Outputs, float | None]]:
            found = self._compute(tasks, batch, phase)
            seen.extend(self._task.paradigm.scored_labels(found[0][0], batch) or ())
            self._done = min(self._done + size, before + examples)
            if self._progress is not None:
                self._progress(self._done, whole)
            return found

        return computed


def _between(count: int, first: int, end: int) -> np.ndarray:
    numbers = np.arange(count)
    return (numbers >= first) & (numbers < end)


def _by_record(seen: Sequence[ScoredLabels], dataset: Dataset) -> list[list[ScoredLabels]]:
    """The scored labels of each record; batches have the longest examples first (`batches_by_length`)."""
    found: list[list[ScoredLabels]] = [[] for _ in dataset.records]
    records = dataset.array("record")
    for example, labels in zip(np.argsort(-dataset.lengths, kind="stable").tolist(), seen, strict=True):
        found[int(records[example])].append(labels)
    return found


def _light(prediction: Prediction) -> Prediction:
    """A prediction without numbers for each label, which no metric of PALM reads."""
    return {name: value for name, value in prediction.items() if not isinstance(value, Mapping) and not _numbers(value)}


def _numbers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], float)
