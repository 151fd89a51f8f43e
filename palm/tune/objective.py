"""What trials are compared by: the metric of one evaluation of a run, over all of its targets or one of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from palm.config.run_config import RunConfig, TaskConfig
from palm.engine.selection import Selection
from palm.errors import Problem
from palm.metric.base import lower_is_better
from palm.schema.settings import TaskSettings


@dataclass(frozen=True)
class _Evaluated:
    """A task, as far as a selection looks at it."""

    name: str
    settings: TaskSettings
    dev: object


@dataclass(frozen=True)
class Objective:
    """The metric that a run is judged by: `selection` or `metric_for_best_model`, or else all main metrics alike.

    Attributes:
        selection: How it is computed from the metrics of the tasks.
        name: What it is called in tables.
        falls: Whether lower is better.
    """

    selection: Selection
    name: str
    falls: bool
    _tasks: tuple[_Evaluated, ...]

    @classmethod
    def of(cls, config: RunConfig) -> "Objective":
        """The objective of a configuration."""
        tasks = tuple(_Evaluated(task.name, task.settings, task.settings.dev_file) for task in config.tasks)
        train = config.train
        if train.metric_for_best_model is not None:
            name = train.metric_for_best_model
            return cls(Selection.of(train), name, lower_is_better(name), tasks)
        weights = dict(train.selection or {task.name: 1.0 for task in evaluated_targets(config)})
        listed = " + ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in weights.items())
        return cls(Selection(weights=weights), f"mean of {listed}" if len(weights) > 1 else listed, False, tasks)

    def score(self, metrics: Mapping[str, Mapping[str, float]]) -> float | None:
        """The value of an evaluation; None while tasks are missing that it is about.

        Args:
            metrics: The metrics of each task that was evaluated.
        """
        found = self.selection.of_run(metrics, self._tasks)
        return None if found is None else found.value

    def better(self, value: float, than: float | None) -> bool:
        """Whether `value` is better."""
        return than is None or (value < than if self.falls else value > than)


def evaluated_targets(config: RunConfig) -> Sequence[TaskConfig]:
    """The targets that have dev data."""
    return [task for task in config.tasks if task.settings.target and task.settings.dev_file is not None]


def objective_problems(config: RunConfig, where: str) -> list[Problem]:
    """Why trials of a configuration could not be compared."""
    if config.stage:
        rule = "a search is over a single run, not over several stages."
        return [Problem(where, f"{rule} Found `stages`. Write the stage to search for into a file of its own.")]
    if not evaluated_targets(config):
        rule = "trials are compared by the metrics of targets on dev_file."
        return [Problem(where, f"{rule} Found no target with one. Set dev_file, such as `dev_file: 10%`.")]
    if config.train.eval_every_n_steps == 0 and len(evaluated_targets(config)) > 1:
        rule = "trials are compared by evaluations of all targets after the same step."
        return [Problem(where, f"{rule} Found eval_every_n_steps: 0. Set it to -1, or to a number of steps.")]
    return []


@dataclass
class JudgedRun:
    """Follows the evaluations of one run.

    Attributes:
        objective: What they are judged by.
        best: The best value so far.
        best_step: Its global step.
        evaluations: Global step and value of each complete evaluation.
    """

    objective: Objective
    best: float | None = None
    best_step: int | None = None
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    _metrics: dict[str, Mapping[str, float]] = field(default_factory=dict)
    _step: int = -1

    def add(self, global_step: int, task: str, metrics: Mapping[str, float]) -> float | None:
        """Add the evaluation of a task; the value once all of the same step are there."""
        if global_step != self._step:
            self._step, self._metrics = global_step, {}
        self._metrics[task] = metrics
        value = self.objective.score(self._metrics)
        if value is None or (self.evaluations and self.evaluations[-1][0] == global_step):
            return None
        self.evaluations.append((global_step, value))
        if math.isfinite(value) and self.objective.better(value, self.best):
            self.best, self.best_step = value, global_step
        return value
