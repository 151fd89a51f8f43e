"""What a run tells those that watch it: one frozen event per line of metrics.jsonl and per step, beginning and end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

HowEnded = Literal["finished", "stopped", "failed"]
"""How a run ended: all of it was trained, a signal or Ctrl-C stopped it, or an error ended it."""


@dataclass(frozen=True)
class BeginEvent:
    """A run begins, or continues.

    Attributes:
        name: `run_name`, or the name of save_path, followed by that of the stage, if the run has stages.
        folder: save_path; None for a trainer without a saver.
        global_step: Global steps done before; above 0 if the run was resumed.
        total_steps: Expected global steps, including these.
        tasks: The tasks, in order.
        config: Every key with its value, as in config.resolved.yaml. Keys that hold secrets are left out.
    """

    name: str
    folder: Path | None
    global_step: int
    total_steps: int
    tasks: tuple[str, ...]
    config: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class StepEvent:
    """A task was trained: one event a step, in `mode: joint` one per task of the step.

    Its numbers are those that the step has computed anyway: a callback costs no more than its own code.

    Attributes:
        global_step: Number of the step, from 1.
        task: The task that was trained.
        step: Its step within its epoch, from 1.
        epoch: Its epoch, from 0.
        loss: Mean loss of the batch, before any factor; None if it was not finite.
        learning_rate: Learning rate of the step.
        steps_per_second: Global steps per second since the last line of the log, evaluations excluded; None if not
            measured, as between two lines.
        record: The line of metrics.jsonl; None of a step that is not logged (`print_every_n_steps`).
    """

    global_step: int
    task: str
    step: int
    epoch: int
    loss: float | None
    learning_rate: float
    steps_per_second: float | None = None
    record: Mapping[str, object] | None = field(default=None, repr=False)

    @property
    def logged(self) -> bool:
        """Whether the log and metrics.jsonl have a line about the step."""
        return self.record is not None


@dataclass(frozen=True)
class EvaluationEvent:
    """A task was evaluated on its dev data.

    Attributes:
        global_step: The step after which it was.
        task: The task.
        metrics: Its loss and metrics, as fractions of 1.
        seconds: How long the evaluation took; None if not measured.
        record: The line of metrics.jsonl.
    """

    global_step: int
    task: str
    metrics: Mapping[str, float]
    seconds: float | None
    record: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class ExportEvent:
    """An inference model was written.

    Attributes:
        global_step: The step after which it was.
        task: The target; None for the model of all tasks.
        of_step: The step that the model is of: an earlier one if that was better.
        folder: Where it is; None if the run keeps none.
        record: The line of metrics.jsonl.
    """

    global_step: int
    task: str | None
    of_step: int
    folder: Path | None
    record: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class CosineEvent:
    """The cosines between the tasks' gradients were measured (`log_gradient_cosines_every_n_steps`).

    Attributes:
        global_step: The step after which they were.
        cosines: The cosine of each pair, `intent~slots`.
        record: The line of metrics.jsonl.
    """

    global_step: int
    cosines: Mapping[str, float]
    record: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class EndEvent:
    """A run ended, in whichever way.

    Attributes:
        global_step: Global steps done.
        outcome: `finished`, `stopped` or `failed`.
    """

    global_step: int
    outcome: HowEnded


RecordEvent = StepEvent | EvaluationEvent | ExportEvent | CosineEvent
"""The events that are lines of metrics.jsonl, and the steps between them."""

_OF_DEV = ("split", "global_step", "task", "seconds")


def event_of(record: Mapping[str, Any]) -> RecordEvent | None:
    """The event of a line of metrics.jsonl; None for a kind of line that has none.

    Args:
        record: The line, maybe with the `seconds` of an evaluation and the `folder` of a model.
    """
    make = _EVENTS.get(str(record.get("split")))
    return make(frozen(record)) if make is not None else None


def frozen(value: Any) -> Any:  # noqa: ANN401 (plain data of any kind)
    """Plain data that cannot be changed: mappings are read-only, lists are tuples."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(each) for key, each in value.items()})
    return tuple(frozen(each) for each in value) if isinstance(value, list | tuple) else value


def _step(record: Mapping[str, Any]) -> StepEvent:
    return StepEvent(
        record["global_step"],
        record["task"],
        record["step"],
        record["epoch"],
        record["loss"],
        record["learning_rate"],
        record.get("steps_per_second"),
        record,
    )


def _evaluation(record: Mapping[str, Any]) -> EvaluationEvent:
    metrics = {key: value for key, value in record.items() if key not in _OF_DEV and isinstance(value, int | float)}
    return EvaluationEvent(record["global_step"], record["task"], frozen(metrics), record.get("seconds"), record)


def _export(record: Mapping[str, Any]) -> ExportEvent:
    return ExportEvent(record["global_step"], record["task"], record["of_step"], record.get("folder"), record)


def _cosines(record: Mapping[str, Any]) -> CosineEvent:
    return CosineEvent(record["global_step"], record["cosines"], record)


_EVENTS: Mapping[str, Callable[[Mapping[str, Any]], RecordEvent]] = {
    "train": _step,
    "dev": _evaluation,
    "export": _export,
    "run_model": _export,
    "cosine": _cosines,
}
"""`split` of a line → its event."""
