"""What metrics.jsonl says of a run: curves of its tasks and of the whole run, exports, and steps that came again."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palm.metric.base import lower_is_better, main_metric
from palm.report.metrics_file import AfterBytes, ChosenLines, MetricsFile, MetricsLine
from palm.report.series import Series
from palm.storage.layout import METRICS_FILE, PAIR

_PROBABILITIES = "sampling_probabilities"
_OF_TASK = ("loss", "loss_normalised", "loss_factor", "position", "epoch")
_OF_RUN = ("learning_rate", "speed", "data_wait")
_KEYS = {"position": "step", "speed": "steps_per_second", "data_wait": "data_wait_fraction"}
"""Keys of a line whose series has another name."""
_NO_METRICS = {"split", "global_step", "task", "seconds"}


@dataclass(frozen=True)
class BestEvaluation:
    """The best evaluation of a task by one metric.

    Attributes:
        metric: The metric.
        global_step: When it was.
        value: Its value.
    """

    metric: str
    global_step: int
    value: float


@dataclass(frozen=True)
class WrittenModel:
    """An inference model that a run has written.

    Attributes:
        task: Its task; None for the model of all tasks.
        global_step: When it was written.
        of_step: The step whose weights it has.
        task_steps: Steps of the task until then, if known.
        train_seconds: Seconds of training until then, if known.
    """

    task: str | None
    global_step: int
    of_step: int
    task_steps: int | None = None
    train_seconds: float | None = None


@dataclass
class TaskCurves:
    """The curves of a task.

    Attributes:
        loss: Loss of the logged steps.
        loss_normalised: The same, divided by that of the task's first batch.
        loss_factor: Factor of the loss that a weighting learns.
        position: The task's step within its epoch, from 1.
        epoch: Its epoch, from 0.
        dev: Metrics of its evaluations, by name; a NaN is left out.
        not_finite: Logged steps whose loss was not finite.
    """

    loss: Series = field(default_factory=Series)
    loss_normalised: Series = field(default_factory=Series)
    loss_factor: Series = field(default_factory=Series)
    position: Series = field(default_factory=Series)
    epoch: Series = field(default_factory=Series)
    dev: dict[str, Series] = field(default_factory=dict)
    not_finite: list[int] = field(default_factory=list)

    @property
    def main_metric(self) -> str | None:
        """The first metric of its evaluations, or else their loss; None without any."""
        return main_metric(self.dev) if self.dev else None

    def best(self, metric: str | None = None) -> BestEvaluation | None:
        """The best evaluation by a metric, the main one by default; None without any finite value."""
        name = metric or self.main_metric
        found = self.dev[name].best(falls=lower_is_better(name)) if name in self.dev and name is not None else None
        return None if found is None or name is None else BestEvaluation(name, *found)

    def every_series(self) -> Iterable[Series]:
        """All of its series."""
        return (self.loss, self.loss_normalised, self.loss_factor, self.position, self.epoch, *self.dev.values())


@dataclass
class RunCurves:
    """The curves of a run, to which the lines of metrics.jsonl are added one by one.

    Attributes:
        tasks: Those of each task, in the order in which they first appear.
        learning_rate: Learning rate of the logged steps.
        speed: Steps per second.
        data_wait: Fraction of the time that training waited for data.
        probabilities: Sampling probability of each task, with an adaptive sampler.
        cosines: Cosine of the gradients of each pair of tasks.
        exports: The inference models, of which each target and the run have the last one.
        last_step: The highest global step so far.
        repeated: `(to, from)` for each time that the steps of a file went back.
        other_lines: Lines that are no record of this version.
    """

    tasks: dict[str, TaskCurves] = field(default_factory=dict)
    learning_rate: Series = field(default_factory=Series)
    speed: Series = field(default_factory=Series)
    data_wait: Series = field(default_factory=Series)
    probabilities: dict[str, Series] = field(default_factory=dict)
    cosines: dict[tuple[str, str], Series] = field(default_factory=dict)
    exports: dict[str | None, WrittenModel] = field(default_factory=dict)
    last_step: int = 0
    repeated: list[tuple[int, int]] = field(default_factory=list)
    other_lines: int = 0

    def add(self, record: MetricsLine) -> None:
        """Add a line; one that has no step or no meaning here is counted."""
        step, split = record.get("global_step"), record.get("split")
        read = _READERS.get(split) if isinstance(split, str) else None
        if read is None or not isinstance(step, int) or isinstance(step, bool) or step < 0:
            self.other_lines += 1
            return
        if step < self.last_step:
            self._go_back(step)
        self.last_step = step
        read(self, step, record)

    def add_all(self, records: Iterable[MetricsLine]) -> None:
        """Add lines; logged steps that follow each other go together, which takes a fraction of the time."""
        steps: list[MetricsLine] = []
        last = self.last_step
        for record in records:
            step = record.get("global_step")
            if type(step) is int and step > last and record.get("split") == "train" and _PROBABILITIES not in record:
                steps.append(record)
                last = step
                continue
            _add_steps(self, steps)
            steps = []
            self.add(record)
            last = self.last_step
        _add_steps(self, steps)

    def task(self, name: object) -> TaskCurves:
        """The curves of a task, new ones for a task that appears for the first time."""
        known = self.tasks.get(str(name))
        if known is None:
            known = self.tasks[str(name)] = TaskCurves()
        return known

    @property
    def has_run_model(self) -> bool:
        """Whether the model of all tasks was written, which is the end of a run."""
        return None in self.exports

    def _go_back(self, step: int) -> None:
        """Forget what lies after `step`: a run that was resumed by other means writes these steps again."""
        self.repeated.append((step, self.last_step))
        for series in self._every_series():
            series.cut(step)
        for curves in self.tasks.values():
            curves.not_finite = [each for each in curves.not_finite if each < step]
        self.exports = {task: each for task, each in self.exports.items() if each.global_step < step}

    def _every_series(self) -> Iterable[Series]:
        yield from (self.learning_rate, self.speed, self.data_wait)
        yield from (*self.probabilities.values(), *self.cosines.values())
        for curves in self.tasks.values():
            yield from curves.every_series()


class FollowedRun:
    """The curves of a run that may be training.

    Args:
        folder: The run's folder.
        after_bytes: Called with the number of bytes of each part that is read.
        chosen: Chooses among lines, see `MetricsFile`.
    """

    def __init__(self, folder: Path, after_bytes: AfterBytes | None = None, chosen: ChosenLines | None = None) -> None:
        self.file = MetricsFile(folder / METRICS_FILE, after_bytes, chosen)
        self.curves = RunCurves()
        self.generation = 0
        """How often the file was replaced."""

    def update(self, seconds: float = math.inf) -> int:
        """Read what is new in the file, or all of it where it was replaced; how many lines that were.

        Args:
            seconds: After how many seconds the rest is left for the next call.
        """
        if self.file.was_replaced():
            self.curves = RunCurves()
            self.generation += 1
        count, until = 0, time.monotonic() + seconds
        for batch in self.file.new_batches():
            self.curves.add_all(batch)
            count += len(batch)
            if time.monotonic() > until:
                break
        return count


def number_of(value: object) -> float | None:
    """A finite number, or None for anything else."""
    if type(value) not in (float, int):  # no bool, which is an int, too
        return None
    return float(value) if math.isfinite(value) else None  # type: ignore[arg-type]


def _note(series: Series, step: int, value: object) -> None:
    number = number_of(value)
    if number is not None:
        series.append(step, number)


def _add_step(curves: RunCurves, step: int, record: MetricsLine) -> None:
    task = curves.task(record.get("task"))
    if number_of(record.get("loss")) is None:
        task.not_finite.append(step)
    _note(task.loss, step, record.get("loss"))
    _note(task.loss_normalised, step, record.get("loss_normalised"))
    _note(task.loss_factor, step, record.get("loss_factor"))
    _note(task.position, step, record.get("step"))
    _note(task.epoch, step, record.get("epoch"))
    _note(curves.learning_rate, step, record.get("learning_rate"))
    _note(curves.speed, step, record.get("steps_per_second"))
    _note(curves.data_wait, step, record.get("data_wait_fraction"))
    for name, value in _members(record, _PROBABILITIES):
        _note(curves.probabilities.setdefault(name, Series()), step, value)


def _add_steps(curves: RunCurves, records: Sequence[MetricsLine]) -> None:
    """Add logged steps whose global steps increase, from after the last one on."""
    by_task: dict[str, list[MetricsLine]] = {}
    for record in records:
        by_task.setdefault(str(record.get("task")), []).append(record)
    for name, own in by_task.items():
        task = curves.task(name)
        for key in _OF_TASK:
            _note_all(getattr(task, key), own, _KEYS.get(key, key))
        task.not_finite += [int(str(r["global_step"])) for r in own if number_of(r.get("loss")) is None]
    for key in _OF_RUN:
        _note_all(getattr(curves, key), records, _KEYS.get(key, key))
    if records:
        curves.last_step = int(str(records[-1]["global_step"]))


def _note_all(series: Series, records: Sequence[MetricsLine], key: str) -> None:
    """Add a number of each record that has it."""
    values = [record.get(key) for record in records]
    if set(map(type, values)) <= {float, int} and all(map(math.isfinite, values)):  # type: ignore[arg-type]
        series.extend([record["global_step"] for record in records], values)  # type: ignore[misc,arg-type]
        return
    for record, value in zip(records, values, strict=True):
        _note(series, int(str(record["global_step"])), value)


def _add_evaluation(curves: RunCurves, step: int, record: MetricsLine) -> None:
    task = curves.task(record.get("task"))
    for name, value in record.items():
        if name not in _NO_METRICS:
            _note(task.dev.setdefault(name, Series()), step, value)


def _add_cosines(curves: RunCurves, step: int, record: MetricsLine) -> None:
    for pair, value in _members(record, "cosines"):
        one, _, other = pair.partition(PAIR)
        _note(curves.cosines.setdefault((one, other), Series()), step, value)


def _add_export(curves: RunCurves, step: int, record: MetricsLine) -> None:
    task = None if record.get("split") == "run_model" else str(record.get("task"))
    of_step, steps = number_of(record.get("of_step")), number_of(record.get("task_steps"))
    curves.exports[task] = WrittenModel(
        task,
        step,
        step if of_step is None else int(of_step),
        None if steps is None else int(steps),
        number_of(record.get("train_seconds")),
    )


def _members(record: MetricsLine, key: str) -> Iterable[tuple[str, object]]:
    found = record.get(key)
    return ((str(name), value) for name, value in found.items()) if isinstance(found, Mapping) else ()


_READERS = {
    "train": _add_step,
    "dev": _add_evaluation,
    "cosine": _add_cosines,
    "export": _add_export,
    "run_model": _add_export,
}
"""What a line is, by its `split`, and how it is added."""
