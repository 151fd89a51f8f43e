"""Model selection: one metric per task, and a metric or weighted mean for the whole run."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from palm.engine.task_instance import TaskInstance
from palm.metric.base import lower_is_better, main_metric
from palm.schema.settings import TaskSettings, TrainSettings

SELECTION = "selection"


class EvaluatedTask(Protocol):
    """What a selection looks at in a task."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def settings(self) -> TaskSettings:
        """Its keys."""

    @property
    def dev(self) -> object | None:
        """Its dev data; None without any."""


Metrics = Mapping[str, Mapping[str, float]]
"""Metrics of an evaluation, by task and name."""


@dataclass(frozen=True)
class Score:
    """The value of a metric.

    Attributes:
        name: Its name.
        value: Its value.
        falls: Whether lower is better.
    """

    name: str
    value: float
    falls: bool = False

    def beats(self, before: float | None, *, by: float = 0.0) -> bool:
        """Whether it is better than `before` (if not None) by more than `by`. NaN and Inf never are."""
        if not math.isfinite(self.value) or before is None:
            return math.isfinite(self.value)
        return (before - self.value if self.falls else self.value - before) > by


@dataclass(frozen=True)
class Selection:
    """The keys `metric_for_best_model` and `selection`, of which one may be set.

    Attributes:
        wanted: A metric, or that of a task, `task.metric`.
        weights: Weights of `task.metric`, or of the main metric of `task`.
    """

    wanted: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: TrainSettings) -> "Selection":
        """The selection that is configured for a run."""
        return cls(settings.metric_for_best_model, settings.selection or {})

    def __bool__(self) -> bool:
        return self.wanted is not None or bool(self.weights)

    def of_task(self, task: str, metrics: Mapping[str, float]) -> Score | None:
        """The score of a task: the selected metric, else its main metric, else its loss."""
        for name, weight in self.weights.items():
            owner, _, metric = name.partition(".")
            if owner == task and (not metric or metric in metrics):
                return _score(metric or None, metrics, falls=weight < 0)
        own = (self.wanted or "").removeprefix(f"{task}.")
        return _score(own if own in metrics else None, metrics)

    def of_run(self, metrics: Metrics, tasks: Sequence[EvaluatedTask]) -> Score | None:
        """The score of the run; None if a part of it was not evaluated."""
        if self.weights:
            return self._weighted(metrics)
        wanted = self.wanted or ""
        task, _, metric = wanted.rpartition(".")
        if task:
            value = metrics.get(task, {}).get(metric)
            return None if value is None else Score(wanted, value, lower_is_better(metric))
        targets = [task for task in tasks if task.settings.target]
        if any(task.dev is not None and task.name not in metrics for task in targets):
            return None
        values = [metrics[task.name][wanted] for task in targets if wanted in metrics.get(task.name, {})]
        return Score(wanted, sum(values) / len(values), lower_is_better(wanted)) if values else None

    def _weighted(self, metrics: Metrics) -> Score | None:
        """Weighted mean of the metrics, negated if lower is better, so that more is better."""
        total = 0.0
        for name, weight in self.weights.items():
            task, _, metric = name.partition(".")
            found = _score(metric or None, metrics.get(task, {}))
            if found is None:
                return None
            total += -abs(weight) * found.value if found.falls else weight * found.value
        return Score(SELECTION, total / sum(map(abs, self.weights.values())))


def _score(name: str | None, metrics: Mapping[str, float], *, falls: bool = False) -> Score | None:
    """The score of the metric `name`, or of the main metric if None."""
    found = main_metric(metrics) if name is None else name
    return Score(found, metrics[found], falls or lower_is_better(found)) if found in metrics else None


@dataclass(frozen=True)
class Best:
    """The best evaluation so far.

    Attributes:
        global_step: Its global step.
        metric: Name of the metric.
        value: Value of the metric.
    """

    global_step: int
    metric: str
    value: float


@dataclass
class BestSoFar:
    """The best evaluations of a run; part of its checkpoints.

    Attributes:
        run: That of the whole run.
        tasks: That of each target.
    """

    run: Best | None = None
    tasks: dict[str, Best] = field(default_factory=dict)

    @property
    def steps(self) -> set[int]:
        """The steps whose checkpoints are to be kept."""
        return {best.global_step for best in (self.run, *self.tasks.values()) if best is not None}

    def note(
        self,
        metrics: Metrics,
        tasks: Sequence[TaskInstance],
        *,
        selection: Selection,
        global_step: int,
        stopped: Collection[str] = (),
        all_targets: bool = False,
    ) -> "Improved":
        """Add an evaluation; returns what it improved.

        Targets that may stop early also have a best evaluation without `selection`.

        Args:
            metrics: Metrics of the evaluated tasks.
            tasks: All tasks of the run.
            selection: The selection to use.
            global_step: Global step of the evaluation.
            stopped: Targets that have stopped early, whose best evaluation does not change any more.
            all_targets: Whether every target has a best evaluation, which is exported.
        """
        better = []
        for task in tasks:
            watched = selection or all_targets or task.settings.early_stopping_patience
            if task.settings.target and watched and task.name not in stopped:
                score = selection.of_task(task.name, metrics.get(task.name, {}))
                before = self.tasks.get(task.name)
                if score and score.beats(before.value if before else None):
                    self.tasks[task.name] = Best(global_step, score.name, score.value)
                    better.append(task.name)
        score = selection.of_run(metrics, tasks)
        improved = score is not None and score.beats(self.run.value if self.run else None)
        if score is not None and improved:
            self.run = Best(global_step, score.name, score.value)
        return Improved(run=improved, tasks=tuple(better))

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> "BestSoFar":
        """Inverse of `dataclasses.asdict`."""
        run = Best(**saved["run"]) if saved["run"] else None
        return cls(run, {name: Best(**best) for name, best in saved["tasks"].items()})


@dataclass(frozen=True)
class Improved:
    """The improvements of an evaluation.

    Attributes:
        run: Whether it is the best of the whole run.
        tasks: The targets for which it is the best.
    """

    run: bool
    tasks: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.run or bool(self.tasks)
