"""What the panel of a run shows, collected from the steps and from the lines of metrics.jsonl."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from palm.engine.run import StepResult
from palm.engine.selection import Score, Selection
from palm.runtime.progress import FINISHED
from palm.training.display.facts import RunHeader
from palm.training.display.loss_curve import LossCurve

_MOST_EVENTS = 50
_SURE_AFTER_STEPS, _SURE_AFTER_SECONDS = 3, 2.0


@dataclass
class LiveTask:
    """A task of the run.

    Attributes:
        name: Its name.
        target: Whether it is exported.
        expected: The steps after which it is; None for a task that only helps.
        folder: Where to.
        steps: Its steps so far.
        loss: Its training loss.
        last: The last evaluation on dev data, by the metric that selects its model.
        best: The best one.
        best_step: The global step of that.
        exported_step: The global step of the model in `folder`.
    """

    name: str
    target: bool = True
    expected: int | None = None
    folder: str = ""
    steps: int = 0
    loss: LossCurve = field(default_factory=LossCurve)
    last: Score | None = None
    best: Score | None = None
    best_step: int | None = None
    exported_step: int | None = None

    def note_evaluation(self, score: Score, global_step: int) -> None:
        """Add an evaluation."""
        self.last = score
        if score.beats(self.best.value if self.best is not None else None):
            self.best, self.best_step = score, global_step


@dataclass
class Activity:
    """Work between steps, such as an evaluation.

    Attributes:
        what: Its name.
        done: What is done.
        total: Of how much, if that is known.
    """

    what: str
    done: int
    total: int | None


class LiveRun:
    """A run while it is trained.

    Args:
        header: What it is.
        tasks: Its tasks, before their first step.
        done: Global steps that were done before a resume.
        selection: By which metric models are selected.
        retires: Whether a target that is finished is no longer trained.
        clock: Seconds, for the speed.
    """

    def __init__(
        self,
        header: RunHeader,
        tasks: Iterable[LiveTask],
        *,
        done: int = 0,
        selection: Selection | None = None,
        retires: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.header = header
        self.tasks = {task.name: task for task in tasks}
        self.done = done
        self.current: str | None = None
        self.activity: Activity | None = None
        self.notice: str | None = None
        self.run_model_step: int | None = None
        self.run_model_folder = ""
        self.next_commands: Sequence[str] = ()
        self._first = done
        self._events: list[str] = []
        self._selection = selection or Selection()
        self._retires = retires
        self._ended = False
        self._clock = clock
        self._started = clock()
        self._first_step_at: float | None = None

    def replay(self, records: Iterable[Mapping[str, object]]) -> None:
        """Add what an earlier part of the run has recorded."""
        for record in records:
            task, loss = self.tasks.get(str(record.get("task"))), record.get("loss")
            if record.get("split") == "train" and task is not None and isinstance(loss, float):
                task.loss.add(loss)
            self.note_record(record)
        self._events.clear()

    def note_step(self, result: StepResult) -> None:
        """Add a step."""
        self.done, self.current, self._ended = result.global_step, result.task, result.last
        for part in result.parts if result.trained else ():
            task = self.tasks.get(part.task)
            if task is not None:
                task.steps += 1
                if math.isfinite(part.loss):
                    task.loss.add(part.loss)
        if self._first_step_at is None:
            self._first_step_at = self._clock()

    def note_record(self, record: Mapping[str, object]) -> None:
        """Add a line of metrics.jsonl."""
        task, step, kind = self.tasks.get(str(record.get("task"))), record.get("global_step"), record.get("split")
        if not isinstance(step, int):
            return
        if kind == "dev" and task is not None:
            metrics = {name: value for name, value in record.items() if isinstance(value, float)}
            score = self._selection.of_task(task.name, metrics)
            if score is not None:
                task.note_evaluation(score, step)
        elif kind == "export" and task is not None:
            self._note_export(task, record.get("of_step"), step)
        elif kind == "run_model" and isinstance(of_step := record.get("of_step"), int):
            self.run_model_step = of_step

    def note_activity(self, what: str, done: int, total: int | None) -> None:
        """Note work between steps, or that it is finished."""
        self.activity = None if done == FINISHED else Activity(what, done, total)

    def _note_export(self, task: LiveTask, of_step: object, step: int) -> None:
        again = task.exported_step is not None
        task.exported_step = of_step if isinstance(of_step, int) else step
        told = f"{task.name} exported at step {step}"
        if task.exported_step != step:
            told = f"{task.name} exported from step {task.exported_step}"
        if again:
            self._tell(told)
        elif self._ended or self._retires:
            self._tell(f"{told}; finished")
        else:
            self._tell(f"{told}; still trained for the others")

    def _tell(self, event: str) -> None:
        self._events = [*self._events, event][-_MOST_EVENTS:]

    @property
    def events(self) -> Sequence[str]:
        """What happened, the latest last."""
        return self._events

    @property
    def seconds(self) -> float:
        """Time since the run was started."""
        return self._clock() - self._started

    @property
    def steps_per_second(self) -> float | None:
        """Mean speed, evaluations included; None until it is known. The first step is slower than all others."""
        measured = self.done - self._first - 1
        if self._first_step_at is None or measured < _SURE_AFTER_STEPS:
            return None
        seconds = self._clock() - self._first_step_at
        return measured / seconds if seconds > _SURE_AFTER_SECONDS or measured > 2 * _SURE_AFTER_STEPS else None

    @property
    def seconds_left(self) -> float | None:
        """Expected time to the end; None until the speed is known."""
        speed = self.steps_per_second
        return None if not speed else max(self.header.steps - self.done, 0) / speed

    @property
    def expected_seconds(self) -> float | None:
        """How long the whole run is expected to take; None until the speed is known."""
        left = self.seconds_left
        return None if left is None else self.seconds + left
