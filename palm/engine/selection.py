"""What steps are judged by: one figure of each task, and of the whole run a mean of such figures."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palm.engine.task_instance import TaskInstance
from palm.metric.base import LOSS, main_metric
from palm.schema.settings import TrainSettings

SELECTION = "selection"

Metrics = Mapping[str, Mapping[str, float]]
"""Figures of an evaluation, by task and name."""


@dataclass(frozen=True)
class Score:
    """A figure that was found.

    Attributes:
        name: Its name.
        value: Its value.
        falls: Whether it is the better the lower it is.
    """

    name: str
    value: float
    falls: bool = False

    def beats(self, before: float | None, *, by: float = 0.0) -> bool:
        """Whether it is better than `before`, if anything was before, by more than `by`. NaN and Inf never are."""
        if not math.isfinite(self.value) or before is None:
            return math.isfinite(self.value)
        return (before - self.value if self.falls else self.value - before) > by


@dataclass(frozen=True)
class Selection:
    """The keys `metric_for_best_model` and `selection`, of which one may be set.

    Attributes:
        wanted: A figure, or one of a task, `task.figure`.
        weights: Weights of `task.figure`, or of the main one of `task`.
    """

    wanted: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: TrainSettings) -> "Selection":
        """What a run is configured to be judged by."""
        return cls(settings.metric_for_best_model, settings.selection or {})

    def __bool__(self) -> bool:
        return self.wanted is not None or bool(self.weights)

    def of_task(self, task: str, figures: Mapping[str, float]) -> Score | None:
        """The figure that counts for a task: one that is asked for, else its main one, else its loss."""
        for name, weight in self.weights.items():
            owner, _, figure = name.partition(".")
            if owner == task and (not figure or figure in figures):
                return _figure(figure or None, figures, falls=weight < 0)
        own = (self.wanted or "").removeprefix(f"{task}.")
        return _figure(own if own in figures else None, figures)

    def of_run(self, figures: Metrics, tasks: Sequence[TaskInstance]) -> Score | None:
        """The figure that counts for the run; None where something that belongs to it was not evaluated now."""
        if self.weights:
            return self._weighted(figures)
        wanted = self.wanted or ""
        task, _, metric = wanted.rpartition(".")
        if task:
            value = figures.get(task, {}).get(metric)
            return None if value is None else Score(wanted, value, metric == LOSS)
        targets = [task for task in tasks if task.settings.target]
        if any(task.dev is not None and task.name not in figures for task in targets):
            return None
        values = [figures[task.name][wanted] for task in targets if wanted in figures.get(task.name, {})]
        return Score(wanted, sum(values) / len(values), wanted == LOSS) if values else None

    def _weighted(self, figures: Metrics) -> Score | None:
        """Mean of the figures by their weights, those that fall counted negatively: the more the better."""
        total = 0.0
        for name, weight in self.weights.items():
            task, _, metric = name.partition(".")
            found = _figure(metric or None, figures.get(task, {}))
            if found is None:
                return None
            total += -abs(weight) * found.value if found.falls else weight * found.value
        return Score(SELECTION, total / sum(map(abs, self.weights.values())))


def _figure(name: str | None, figures: Mapping[str, float], *, falls: bool = False) -> Score | None:
    """The figure called `name`, or where that is None the main one."""
    found = main_metric(figures) if name is None else name
    return Score(found, figures[found], falls or found == LOSS) if found in figures else None


@dataclass(frozen=True)
class Best:
    """The best evaluation so far.

    Attributes:
        global_step: When it was.
        metric: Name of the figure.
        value: The figure.
    """

    global_step: int
    metric: str
    value: float


@dataclass
class BestSoFar:
    """The best evaluations of a run; part of what a resumed run must know.

    Attributes:
        run: Of the whole run.
        tasks: Of each target.
    """

    run: Best | None = None
    tasks: dict[str, Best] = field(default_factory=dict)

    @property
    def steps(self) -> set[int]:
        """The steps whose checkpoints are to be kept."""
        return {best.global_step for best in (self.run, *self.tasks.values()) if best is not None}

    def note(
        self,
        figures: Metrics,
        tasks: Sequence[TaskInstance],
        *,
        selection: Selection,
        global_step: int,
        stopped: Collection[str] = (),
    ) -> "Improved":
        """Take an evaluation in, and say what it improved.

        Targets that may stop early have a best evaluation also where nothing is selected.

        Args:
            figures: What was evaluated.
            tasks: All tasks of the run.
            selection: What is compared.
            global_step: When it was evaluated.
            stopped: Targets that have stopped early: their inference model is that of their best evaluation by then,
                which stays their best.
        """
        better = []
        for task in tasks:
            watched = selection or task.settings.early_stopping_patience
            if task.settings.target and watched and task.name not in stopped:
                figure = selection.of_task(task.name, figures.get(task.name, {}))
                before = self.tasks.get(task.name)
                if figure and figure.beats(before.value if before else None):
                    self.tasks[task.name] = Best(global_step, figure.name, figure.value)
                    better.append(task.name)
        figure = selection.of_run(figures, tasks)
        improved = figure is not None and figure.beats(self.run.value if self.run else None)
        if figure is not None and improved:
            self.run = Best(global_step, figure.name, figure.value)
        return Improved(run=improved, tasks=tuple(better))

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> "BestSoFar":
        """What `dataclasses.asdict` made of it."""
        run = Best(**saved["run"]) if saved["run"] else None
        return cls(run, {name: Best(**best) for name, best in saved["tasks"].items()})


@dataclass(frozen=True)
class Improved:
    """What an evaluation improved.

    Attributes:
        run: Whether it is the best of the whole run.
        tasks: The targets whose best it is.
    """

    run: bool
    tasks: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.run or bool(self.tasks)
