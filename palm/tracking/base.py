"""The interface of trackers, their registry, and the callback that keeps a tracker's faults away from training."""

import json
import logging
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from palm.registry import Registry
from palm.storage.layout import TRACKERS_FOLDER
from palm.tracking.callback import Callback
from palm.tracking.events import BeginEvent, CosineEvent, EndEvent, EvaluationEvent, HowEnded, RecordEvent, StepEvent
from palm.tracking.hyper_parameters import Plain, hyper_parameters, without_secrets
from palm.tracking.scalars import scalars_of

_log = logging.getLogger("palm")

PROJECT = "palm"
"""The project or experiment of runs, unless the tracker's own environment variable names another."""

_IDS_FILE = "runs.json"


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told when a run begins.

    Attributes:
        name: Name of the run.
        folder: Where trackers write: `save_path/trackers`, which exists.
        config: The configuration, nested and without secrets.
        hyper_parameters: The same, flat.
        global_step: Steps done before; above 0 if the run was resumed.
        identity: What the tracker returned as the identity of this run when it was started; empty for a new run.
    """

    name: str
    folder: Path
    config: Mapping[str, object]
    hyper_parameters: Mapping[str, Plain]
    global_step: int
    identity: str = ""


@dataclass(frozen=True)
class Started:
    """A tracker has begun.

    Attributes:
        line: What the log says about it: where the run can be seen.
        identity: By which the tracker finds the run when it is resumed.
    """

    line: str
    identity: str = ""


class Tracker(ABC):
    """Sends the numbers of a run to one experiment tracker.

    Every method may raise: the tracker is then not used any more in the run, which is reported once.
    """

    package: ClassVar[str]
    """The module that it needs."""
    extra: ClassVar[str]
    """What `pip install` is given for it."""
    by_default: ClassVar[bool] = False
    """Whether it is used without `report_to`, where its package is installed."""

    @abstractmethod
    def start(self, run: TrackedRun) -> Started:
        """Begin a run, or go on with the one that `run.identity` names."""

    @abstractmethod
    def log(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Record numbers of a step."""

    @abstractmethod
    def finish(self, outcome: HowEnded) -> None:
        """Write what is left, and end the run."""

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its package can be imported."""
        try:
            return find_spec(cls.package) is not None
        except (ImportError, ValueError):
            return False


def _tracker_problem(component: object) -> str | None:
    if isinstance(component, type) and issubclass(component, Tracker):
        return None
    return f"a class that extends `Tracker` is expected. Found `{component!r:.80}`."


TRACKERS: Registry[type[Tracker]] = Registry("tracker", _tracker_problem, lower_case=True)


class TrackerCallback(Callback):
    """Sends the events of a run to a tracker. A fault of the tracker ends its use, not the run, and is reported once.

    Args:
        title: The tracker's name in messages.
        tracker: The tracker.
        say: Receives the lines for the log.
    """

    def __init__(self, title: str, tracker: Tracker, say: Callable[[str], None]) -> None:
        self._title = title
        self._tracker = tracker
        self._say = say
        self._started = False
        self._failed = False

    def on_begin(self, event: BeginEvent) -> None:
        """Start the tracker's run, or continue it."""
        self._guarded(lambda: self._start(event))

    def on_step(self, event: StepEvent) -> None:
        """Send loss, learning rate and speed of a logged step."""
        self._send(event)

    def on_evaluate(self, event: EvaluationEvent) -> None:
        """Send the metrics."""
        self._send(event)

    def on_cosines(self, event: CosineEvent) -> None:
        """Send the cosines."""
        self._send(event)

    def on_end(self, event: EndEvent) -> None:
        """End the tracker's run."""
        if self._started:
            self._guarded(lambda: self._tracker.finish(event.outcome))

    def _start(self, event: BeginEvent) -> None:
        if event.folder is None:
            raise ValueError("a run without a folder has no place for it: call set_saver first")
        folder = event.folder / TRACKERS_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        ids = _read_ids(folder)
        run = TrackedRun(
            event.name,
            folder,
            without_secrets(event.config),
            hyper_parameters(event.config),
            event.global_step,
            ids.get(self._title, "") if event.global_step else "",
        )
        started = self._tracker.start(run)
        self._started = True
        self._say(started.line)
        if started.identity:
            text = json.dumps({**ids, self._title: started.identity}, ensure_ascii=False, indent=2)
            (folder / _IDS_FILE).write_text(f"{text}\n", encoding="utf-8")

    def _send(self, event: RecordEvent) -> None:
        scalars = scalars_of(event)
        if self._started and scalars:
            self._guarded(lambda: self._tracker.log(scalars, event.global_step))

    def _guarded(self, action: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            with _handlers_kept():
                action()
        except Exception as error:  # a tracker, or the network behind it, may raise anything
            self._failed = True
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._say(f"Warning: {self._title} failed, and is not used any more in this run: {reason:.300}")
            _log.debug("%s failed", self._title, exc_info=True)


def _read_ids(folder: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        found = json.loads((folder / _IDS_FILE).read_text(encoding="utf-8"))
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
    return {}


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Undo what a tracker does to Ctrl-C and to uncaught errors, with which PALM saves a checkpoint and reports."""
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before, hook = {number: signal.getsignal(number) for number in numbers}, sys.excepthook
    try:
        yield
    finally:
        sys.excepthook = hook
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
