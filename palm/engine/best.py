"""Which step was the best so far: of the whole run, and of each target."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from palm.engine.selection import Figures, Selection
from palm.task_instance import TaskInstance


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
        figures: Figures,
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
