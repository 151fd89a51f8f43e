"""The lines of a run's charts: which there are, and their points in a window."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palm.board.buckets import ChartWindow, reduced
from palm.metric.base import LOSS, lower_is_better
from palm.report.run_folder import ReadRun
from palm.report.series import Series


@dataclass(frozen=True)
class BoardLine:
    """A line of a chart.

    Attributes:
        kind: What it shows; with `task` and `metric` the chart that it belongs to.
        steps: int64[point]
        values: float64[point]
        task: Of a chart of one task.
        metric: Of a chart of one metric.
        name: Of one of several lines of a run in a chart: a task, or two.
        best: The step and the value of the best evaluation.
    """

    kind: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    task: str = ""
    metric: str = ""
    name: str = ""
    best: tuple[int, float] | None = None

    def content(self, window: ChartWindow) -> dict[str, object]:
        """The line as JSON."""
        told = {"kind": self.kind, "task": self.task, "metric": self.metric, "name": self.name, "best": self.best}
        return {**told, **reduced(self.steps, self.values, window)}


def lines_of(run: ReadRun, window: ChartWindow) -> Iterator[BoardLine]:
    """The lines of a run that have any point, in the order of their charts."""
    for line in _all_lines(run, window):
        if len(line.steps):
            yield line


def _all_lines(run: ReadRun, window: ChartWindow) -> Iterator[BoardLine]:
    first, last, curves = window.first, window.last, run.curves
    for task in (name for name in run.task_names if name in curves.tasks):
        own = curves.tasks[task]
        yield BoardLine("loss", *own.loss.between(first, last), task=task)
        for metric, series in sorted(own.dev.items(), key=lambda item: item[0] == LOSS):
            best = series.best(falls=lower_is_better(metric))
            yield BoardLine("dev", *series.between(first, last), task=task, metric=metric, best=best)
    yield BoardLine("learning_rate", *curves.learning_rate.between(first, last))
    yield BoardLine("speed", *curves.speed.between(first, last))
    yield BoardLine("data_wait", *curves.data_wait.between(first, last))
    yield from _lines_of_mix(run, window)
    for pair, series in curves.cosines.items():
        yield BoardLine("cosine", *series.between(first, last), name=" · ".join(pair))


def _lines_of_mix(run: ReadRun, window: ChartWindow) -> Iterator[BoardLine]:
    for task, series in run.curves.probabilities.items():
        yield BoardLine("probability", *series.between(window.first, window.last), name=task)
    if len(run.curves.tasks) < 2:
        return
    for task, own in run.curves.tasks.items():
        yield BoardLine("mix", *_fractions(run, task, window), name=task)
        yield BoardLine("factor", *own.loss_factor.between(window.first, window.last), name=task)


def _fractions(run: ReadRun, task: str, window: ChartWindow) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The fraction of the global steps that a task has had, at its logged steps: int64[point], float64[point]."""
    curves, per_epoch = run.curves.tasks[task], run.steps_per_epoch(task)
    if not per_epoch or len(curves.epoch) != len(curves.position):
        return Series().between(0, 0)
    steps, epochs = curves.epoch.between(window.first, window.last)
    _, positions = curves.position.between(window.first, window.last)
    return steps, (epochs * per_epoch + positions) / np.maximum(steps, 1)
