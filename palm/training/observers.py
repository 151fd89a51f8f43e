"""Tells callbacks and trackers of a run, on the first of several ranks, and keeps what a callback raised."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from palm.engine.run import StepResult, TrainingRun
from palm.errors import ConfigError, Problem, TrainingError
from palm.schema.reporting import NO_TRACKER
from palm.schema.settings import TrainSettings
from palm.tracking import TRACKERS, BeginEvent, Callback, EndEvent
from palm.tracking.callback import tell
from palm.tracking.events import HowEnded, RecordEvent, StepEvent, event_of, frozen
from palm.tracking.hyper_parameters import without_secrets
from palm.tracking.tracker_callback import TrackerCallback
from palm.training.display.choice import Display
from palm.training.display.live_run import LiveRun
from palm.training.log import OnRecord, Reporter, loss_metrics
from palm.training.run import Failure


class CallbackError(TrainingError):
    """A callback raised an error, which ended the run."""


class RunEndedError(Exception):
    """Raised by `on_record` to end a run at once, as stopped and without a checkpoint."""


@dataclass(frozen=True)
class Observers:
    """Who is told of a run.

    Attributes:
        callbacks: The user's callbacks, in order.
        on_record: Called with each line of metrics.jsonl.
    """

    callbacks: tuple[Callback, ...] = ()
    on_record: OnRecord | None = None


def observers(callbacks: Sequence[object], on_record: OnRecord | None = None, *, owner: str) -> Observers:
    """The observers that `owner` was given.

    Raises:
        ConfigError: Something among `callbacks` is no callback.
    """
    wrong = [found for found in callbacks if not isinstance(found, Callback)]
    if wrong:
        rule = "callbacks is a list of objects that extend `palm.Callback`."
        hint = " Make an object of it." if isinstance(wrong[0], type) else ""
        raise ConfigError(Problem(f"{owner}(callbacks)", f"{rule} Found `{wrong[0]!r:.80}`.{hint}"))
    return Observers(tuple(found for found in callbacks if isinstance(found, Callback)), on_record)


@contextmanager
def reporting(
    run: TrainingRun,
    folder: Path | None,
    told: Observers,
    lines: Sequence[str],
    config: Mapping[str, object],
    *,
    stage: str = "",
    display: tuple[LiveRun, Display] | None = None,
) -> Iterator[tuple[Reporter, Failure]]:
    """Report on a run while it trains: to the terminal, to its files, and to its observers.

    Args:
        run: The run, ready to train.
        folder: save_path; None to write no files.
        told: The observers.
        lines: The first lines of the log.
        config: Every key with its value.
        stage: Name of the stage, if the run has stages.
        display: What shows the run; None for lines.

    Yields:
        The reporter, and what tells whether a callback failed.

    Raises:
        CheckpointError: The folder cannot be written.
        CallbackError: A callback raised.
    """
    observed = ObservedRun(told, run)
    total, done = run.total_steps, run.progress.global_step
    with Reporter(
        folder,
        total_steps=total,
        done_steps=done,
        on_record=observed.record,
        on_unlogged_step=observed.pass_over,
        display=display,
    ) as reporter:
        for line in lines:
            reporter.say(line)
        with observed.training(reporter.say, config, folder, stage):
            yield reporter, observed.failed


@final
class ObservedRun:
    """Tells the observers of one run what it records.

    Args:
        told: The observers.
        run: The run; its `report_to` names trackers.
    """

    def __init__(self, told: Observers, run: TrainingRun) -> None:
        self._told = told
        self._run = run
        self._callbacks = list(told.callbacks)
        self._failure: CallbackError | None = None

    def record(self, record: Mapping[str, object]) -> None:
        """Tell them of a line of metrics.jsonl."""
        if self._told.on_record is not None:
            self._told.on_record({key: value for key, value in record.items() if key != "folder"})
        event = event_of(record) if self._callbacks else None
        if event is not None:
            self._tell(event)

    def pass_over(self, result: StepResult) -> None:
        """Tell them of a step that no line of metrics.jsonl is about."""
        if self._callbacks and result.trained:
            for part in result.parts:
                self._tell(_unlogged(part))

    @contextmanager
    def training(
        self, say: Callable[[str], None], config: Mapping[str, object], folder: Path | None, stage: str
    ) -> Iterator[None]:
        """Tell them of the beginning and, however it comes, of the end.

        Raises:
            CallbackError: A callback raised.
        """
        self._callbacks = [*self._callbacks, *trackers_of(self._run.settings, folder, say)]
        self._callbacks = self._callbacks if self._run.ranks.first else []
        self._begin(config, folder, stage)
        outcome: HowEnded = "failed"
        try:
            yield
            outcome = "finished" if self._failure is None else "failed"
        except (KeyboardInterrupt, SystemExit, RunEndedError):
            outcome = "stopped"
            raise
        finally:
            self._end(EndEvent(self._run.progress.global_step, outcome))
        self._raise_failure()

    def failed(self) -> CallbackError | None:
        """What a callback raised first, if one did; the run ends with it once its step is complete."""
        return self._failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _begin(self, config: Mapping[str, object], folder: Path | None, stage: str) -> None:
        run = self._run
        name = run_name(run.settings, folder, stage)
        tasks = tuple(task.name for task in run.tasks)
        keys = frozen(without_secrets(config))
        event = BeginEvent(name, folder, run.progress.global_step, run.total_steps, tasks, keys)
        run.ranks.on_first(lambda: self._begin_first(event))

    def _begin_first(self, event: BeginEvent) -> None:
        self._tell(event)
        if self._failure is not None:
            self._end(EndEvent(event.global_step, "failed"))
        self._raise_failure()

    def _tell(self, event: BeginEvent | RecordEvent) -> None:
        for callback in self._callbacks if self._failure is None else ():
            self._guarded(callback, event)

    def _end(self, event: EndEvent) -> None:
        for callback in self._callbacks:
            self._guarded(callback, event)
        self._callbacks = []

    def _guarded(self, callback: Callback, event: BeginEvent | RecordEvent | EndEvent) -> None:
        try:
            tell(callback, event)
        except Exception as error:  # a user's code may raise anything
            if self._failure is None:
                self._failure = _named(callback, event, error)
                self._failure.__cause__ = error


def _unlogged(result: StepResult) -> StepEvent:
    loss = loss_metrics(result)["loss"]
    return StepEvent(result.global_step, result.task, result.step, result.epoch, loss, result.learning_rate)


def _named(callback: Callback, event: BeginEvent | RecordEvent | EndEvent, error: Exception) -> CallbackError:
    step = event.global_step
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    rule = f"the callback `{callback.name}` failed{where} with {what}."
    return CallbackError(f"Global step {step}: {rule} Correct it, or leave it out of `callbacks`.")


def trackers_of(settings: TrainSettings, folder: Path | None, say: Callable[[str], None]) -> list[Callback]:
    """The trackers of a run: those of `report_to`; without it those that are used by default, where a folder is."""
    names = settings.report_to
    if names is None:
        names = [name for name in TRACKERS if TRACKERS[name].by_default and TRACKERS[name].is_installed()]
        names = names if folder is not None else []
    wanted = [name for name in dict.fromkeys(names) if name != NO_TRACKER]
    return [TrackerCallback(name, TRACKERS[name](), say) for name in wanted]


def run_name(settings: TrainSettings, folder: Path | None, stage: str = "") -> str:
    """`run_name`, or the name of the run's folder; with that of the stage, `output_model/pretrain`."""
    home = folder.resolve().parent if folder is not None and stage else folder and folder.resolve()
    name = settings.run_name or (home.name if home is not None else "") or "run"
    return f"{name}/{stage}" if stage else name


def keys_of(run: TrainingRun) -> dict[str, object]:
    """The keys of a run without a configuration, as plain data: those of training and of its tasks."""
    tasks = {
        task.name: {
            **task.settings.model_dump(mode="json"),
            **task.reader.config.model_dump(mode="json"),
            **task.paradigm.config.model_dump(mode="json"),
        }
        for task in run.tasks
    }
    return {**run.settings.model_dump(mode="json"), "tasks": tasks}
