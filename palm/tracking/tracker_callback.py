"""The callback that sends the events of a run to a tracker, and keeps the tracker's faults away from training."""

import json
import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from palm.storage.layout import METRICS_FILE, TRACKERS_FOLDER
from palm.tracking.base import TrackedRun, Tracker
from palm.tracking.callback import Callback
from palm.tracking.events import (
    BeginEvent,
    CosineEvent,
    EndEvent,
    EvaluationEvent,
    HowEnded,
    RecordEvent,
    StepEvent,
    event_of,
)
from palm.tracking.hyper_parameters import hyper_parameters, without_secrets
from palm.tracking.scalars import scalars_of
from palm.tracking.sent import SentNumbers

_log = logging.getLogger("palm")

_IDS_FILE = "runs.json"


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
        self._sent: SentNumbers | None = None
        self._differs = False

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
            self._guarded(lambda: self._finish(event.outcome))

    def _finish(self, outcome: HowEnded) -> None:
        self._tracker.finish(outcome)
        if self._sent is not None:
            self._sent.settle()

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
        kept = math.inf if started.identity else event.global_step
        goes_on = event.global_step and started.identity == run.identity
        self._sent = SentNumbers(folder / f"{self._title}.sent", up_to=kept if goes_on else 0)
        if started.identity:
            text = json.dumps({**ids, self._title: started.identity}, ensure_ascii=False, indent=2)
            (folder / _IDS_FILE).write_text(f"{text}\n", encoding="utf-8")
        for earlier in _events_until(event.folder / METRICS_FILE, event.global_step):
            self._send_once(scalars_of(earlier), earlier.global_step)

    def _send(self, event: RecordEvent) -> None:
        scalars = scalars_of(event)
        if self._started:
            self._guarded(lambda: self._send_once(scalars, event.global_step))

    def _send_once(self, scalars: Mapping[str, float], global_step: int) -> None:
        has = self._sent.value_of(scalars, global_step) if self._sent is not None else None
        if has or not scalars:
            return
        if has is False and not self._differs:
            self._differs = True
            why = "its numbers differ from those that were sent of it before the run was resumed"
            self._say(f"Warning: {self._title} shows global step {global_step} twice: {why}; maybe others, too")
        self._tracker.log(scalars, global_step)
        if self._sent is not None:
            self._sent.add(scalars, global_step)

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


def _events_until(metrics: Path, global_step: int) -> Iterator[RecordEvent]:
    """The events of the lines of metrics.jsonl that a resumed run goes on after."""
    if not global_step or not metrics.is_file():
        return
    with metrics.open(encoding="utf-8") as lines:
        for line in lines:
            event = event_of(json.loads(line))
            if event is not None and event.global_step <= global_step:
                yield event


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
