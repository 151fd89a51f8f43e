"""Which step was the best so far: of the whole run, and of each target."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palm.errors import ConfigError, Problem
from palm.metric.base import METRICS
from palm.registry import did_you_mean
from palm.task_instance import TaskInstance

LOSS = "loss"
KEY = "metric_for_best_model"

Figures = Mapping[str, Mapping[str, float]]
"""Figures of an evaluation, by task and name."""


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

    def note(self, figures: Figures, tasks: Sequence[TaskInstance], *, wanted: str, global_step: int) -> "Improved":
        """Take an evaluation in, and say what it improved.

        Args:
            figures: What was evaluated.
            tasks: All tasks of the run.
            wanted: `metric_for_best_model`.
            global_step: When it was evaluated.
        """
        targets = [task.name for task in tasks if task.settings.target]
        better = []
        for name in targets:
            metric = _metric_of(name, figures.get(name, {}), wanted)
            found = Best(global_step, metric, figures[name][metric]) if metric else None
            if found and _is_better(found, self.tasks.get(name)):
                self.tasks[name] = found
                better.append(name)
        value = _overall(figures, targets, wanted, [task.name for task in tasks if task.dev is not None])
        found = None if value is None else Best(global_step, wanted, value)
        if found and _is_better(found, self.run):
            self.run = found
            return Improved(run=True, tasks=tuple(better))
        return Improved(run=False, tasks=tuple(better))

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


def check_wanted(tasks: Sequence[TaskInstance], wanted: str) -> None:
    """Make sure that some target will report `wanted`.

    Raises:
        ConfigError: None will.
    """
    reported = {task.name: _reported(task) for task in tasks if task.settings.target and task.dev is not None}
    names = {name for figures in reported.values() for name in figures}
    names |= {f"{task}.{name}" for task, figures in reported.items() for name in figures}
    if wanted not in names:
        rule = "names a figure that a target with a dev_file reports, or `task.figure`."
        known = f"Reported: {', '.join(sorted(names)) or 'nothing (no target has a dev_file)'}."
        raise ConfigError(Problem(KEY, f"{rule} Found `{wanted}`.{did_you_mean(wanted, sorted(names))} {known}"))


def _reported(task: TaskInstance) -> set[str]:
    metrics = [METRICS[name] for name in task.settings.metrics or task.paradigm.default_metrics]
    return {LOSS, *(name for metric in metrics for name in metric([], []))}


def _metric_of(task: str, figures: Mapping[str, float], wanted: str) -> str | None:
    """The figure that counts for a target: the wanted one where it has it, else the first of its own."""
    own = wanted.removeprefix(f"{task}.")
    if own in figures:
        return own
    return next((name for name in figures if name != LOSS), None)


def _overall(figures: Figures, targets: Sequence[str], wanted: str, with_dev: Sequence[str]) -> float | None:
    """The wanted figure of its task, or its mean over the targets that report it; None where one was not evaluated."""
    task, _, metric = wanted.rpartition(".")
    if task:
        return figures.get(task, {}).get(metric)
    if any(name in with_dev and name not in figures for name in targets):
        return None
    values = [figures[name][wanted] for name in targets if wanted in figures.get(name, {})]
    return sum(values) / len(values) if values else None


def _is_better(found: Best, before: Best | None) -> bool:
    if not math.isfinite(found.value):
        return False
    if before is None:
        return True
    falls = found.metric.rpartition(".")[2] == LOSS
    return found.value < before.value if falls else found.value > before.value
