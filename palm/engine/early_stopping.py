"""Which targets, and which runs, end because their figures have stopped getting better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palm.engine.selection import Metrics, Score, Selection
from palm.engine.task_instance import TaskInstance
from palm.schema.settings import TrainSettings

_RUN = ""  # no task is called so


@dataclass
class Waiting:
    """Who waits for a better figure.

    Attributes:
        value: The best one so far; None before the first that is finite.
        evaluations: Evaluations since then.
    """

    value: float | None = None
    evaluations: int = 0


@dataclass
class EarlyStops:
    """What has stopped early, and what else is waited for; part of what a resumed run must know.

    Attributes:
        tasks: Global step at which each target that stopped early did so.
        run: The same of the whole run; None while it goes on.
        waiting: How long each target, and the run, has waited.
    """

    tasks: dict[str, int] = field(default_factory=dict)
    run: int | None = None
    waiting: dict[str, Waiting] = field(default_factory=dict)

    def note(
        self,
        figures: Metrics,
        unfinished: Sequence[TaskInstance],
        overall: Score | None,
        *,
        settings: TrainSettings,
        global_step: int,
    ) -> tuple[str, ...]:
        """Take an evaluation in; the targets that are finished by it.

        Args:
            figures: What was evaluated.
            unfinished: The targets that are not finished yet.
            overall: The figure of the whole run, where this evaluation gives it.
            settings: Say what the run is judged by, and how long it waits.
            global_step: When it was evaluated.
        """
        selection, stopped = Selection.of(settings), []
        for task in unfinished:
            keys = task.settings
            figure = selection.of_task(task.name, figures.get(task.name, {}))
            if keys.early_stopping_patience and figure is not None:
                waited = self._wait(task.name, figure, min_delta=keys.early_stopping_min_delta)
                if waited >= keys.early_stopping_patience:
                    self.tasks[task.name] = global_step
                    stopped.append(task.name)
        if settings.selection_patience and overall is not None:
            waited = self._wait(_RUN, overall, min_delta=settings.selection_min_delta)
            self.run = global_step if waited >= settings.selection_patience else None
        return tuple(stopped)

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> "EarlyStops":
        """What `dataclasses.asdict` made of it."""
        waiting = {name: Waiting(**waited) for name, waited in saved["waiting"].items()}
        return cls(saved["tasks"], saved["run"], waiting)

    def _wait(self, name: str, figure: Score, *, min_delta: float) -> int:
        """Evaluations that `name` has waited for a better figure than the best, this one included."""
        waiting = self.waiting.setdefault(name, Waiting())
        if figure.beats(waiting.value, by=min_delta):
            waiting.value, waiting.evaluations = figure.value, 0
        else:
            waiting.evaluations += 1
        return waiting.evaluations
