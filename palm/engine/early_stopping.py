"""Early stopping of targets, and of runs, whose metrics have stopped improving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palm.engine.selection import Metrics, Score, Selection
from palm.engine.task_instance import TaskInstance
from palm.schema.settings import TrainSettings

_RUN = ""  # not a valid task name


@dataclass
class Waiting:
    """The state of waiting for an improvement.

    Attributes:
        value: The best score so far; None before the first finite one.
        evaluations: Evaluations since then.
    """

    value: float | None = None
    evaluations: int = 0


@dataclass
class EarlyStops:
    """The early stops of a run, and its waiting states; part of its checkpoints.

    Attributes:
        tasks: Global step of each target that has stopped early.
        run: That of the whole run; None if it has not stopped.
        waiting: Waiting state of each target, and of the run.
    """

    tasks: dict[str, int] = field(default_factory=dict)
    run: int | None = None
    waiting: dict[str, Waiting] = field(default_factory=dict)

    def note(
        self,
        metrics: Metrics,
        unfinished: Sequence[TaskInstance],
        overall: Score | None,
        *,
        settings: TrainSettings,
        global_step: int,
    ) -> tuple[str, ...]:
        """Add an evaluation; returns the targets that it finishes.

        Args:
            metrics: Metrics of the evaluated tasks.
            unfinished: The targets that are not finished yet.
            overall: The score of the whole run, if this evaluation has one.
            settings: Selection and patience of the run.
            global_step: Global step of the evaluation.
        """
        selection, stopped = Selection.of(settings), []
        for task in unfinished:
            keys = task.settings
            score = selection.of_task(task.name, metrics.get(task.name, {}))
            if keys.early_stopping_patience and score is not None:
                waited = self._wait(task.name, score, min_delta=keys.early_stopping_min_delta)
                if waited >= keys.early_stopping_patience:
                    self.tasks[task.name] = global_step
                    stopped.append(task.name)
        if settings.selection_patience and overall is not None:
            waited = self._wait(_RUN, overall, min_delta=settings.selection_min_delta)
            self.run = global_step if waited >= settings.selection_patience else None
        return tuple(stopped)

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> "EarlyStops":
        """Inverse of `dataclasses.asdict`."""
        waiting = {name: Waiting(**waited) for name, waited in saved["waiting"].items()}
        return cls(saved["tasks"], saved["run"], waiting)

    def _wait(self, name: str, score: Score, *, min_delta: float) -> int:
        """Number of evaluations that `name` has waited for an improvement, including this one."""
        waiting = self.waiting.setdefault(name, Waiting())
        if score.beats(waiting.value, by=min_delta):
            waiting.value, waiting.evaluations = score.value, 0
        else:
            waiting.evaluations += 1
        return waiting.evaluations
