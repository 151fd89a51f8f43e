"""Heartbeats: a rank that dies, raises or hangs is named on every other one, which stops with a checkpoint.

Every rank writes a beat into Paddle's store several times per second. Rank 0, whose process holds the store, judges all
of them and publishes the news; the others read these, and judge rank 0 by them. So all ranks stop for the same reason.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NoReturn

from palm.distributed.link import Link, RankState
from palm.distributed.rank_environment import EXIT_LOST, rank_timeout
from palm.distributed.reports import RAISED, LostRank, RankReport, Reports

_RESCUE_SECONDS = 100.0  # less than the supervisor's patience
_STUCK_SECONDS = 1.0


class Watch:
    """The watch of one rank over the others. Until it is started, and in a single process, every method does nothing.

    The main thread says what it does (`note`, `step`) and when it waits for others (`waiting`); the rest is done by two
    threads, which end the process with exit code 3 when a rank is lost.

    Attributes:
        emergency: Writes a checkpoint of the last finished step and returns its path; called on the lowest living rank
            when another one is lost, while the main thread waits for the others, in that thread if it can still run.
        lost: The first rank that was lost.
    """

    def __init__(self, emergency: Callable[[], str | None] | None = None) -> None:
        self.emergency = emergency
        self.lost: LostRank | None = None
        self._index = 0
        self._step_at = 0.0
        self._can_save = True
        self._timeout = 0.0
        self._state = RankState()
        self._link: Link | None = None
        self._reports = Reports.of_this_rank()
        self._rescue = _Rescue()

    def start(self, index: int, count: int, *, timeout: float | None = None) -> None:
        """Begin, once all ranks are connected by `paddle.distributed.init_parallel_env`.

        Args:
            index: Number of this rank.
            count: Number of ranks.
            timeout: Seconds within which a lost rank is named; by default those of `palm train --rank_timeout`.
        """
        if count < 2 or self._link is not None:
            return
        self._index, self._timeout = index, timeout or rank_timeout()
        self._link = Link(
            self._state,
            index,
            count,
            timeout=self._timeout,
            reports=self._reports,
            on_lost=self._leave,
            tell=_tell,
        )
        self._reports.write(index, RankReport())
        self._link.start()
        atexit.register(self.stop)
        sys.excepthook = self._noting(sys.excepthook)

    def note(self, activity: str) -> None:
        """Say what this rank does now, for which others wait without a limit: `evaluating intent`."""
        self._end_step()
        self._state.activity, self._state.limited = activity, False

    def step(self, number: int, *, can_save: bool = True) -> None:
        """Say that this rank begins a training step, for which others wait with a limit: see `Judge`.

        Args:
            number: Its number.
            can_save: Whether the state before it can be saved until `note` is called: not within an update of several
                batches, of whose gradients every rank has a part.
        """
        self._end_step()
        self._step_at = time.monotonic()
        self._can_save = can_save
        self._state.activity, self._state.limited = f"step {number}", True

    def _end_step(self) -> None:
        if self._link is not None and self._state.limited:
            self._link.note_step(time.monotonic() - self._step_at)

    @contextmanager
    def waiting(self, activity: str, meeting: int | None = None) -> Iterator[None]:
        """While this rank waits for others, or talks with them. If one is lost meanwhile, it does not return.

        Args:
            activity: What it waits for, such as `the gradients of all ranks`.
            meeting: Counts what all ranks come to, from 1; None where only some wait.
        """
        if self._link is None:
            yield
            return
        before, self._state.waiting = self._state.waiting, activity
        self._state.meeting = meeting or self._state.meeting
        try:
            self.check()
            yield
        except Exception:
            self._await_verdict()
            self.check()
            raise
        finally:
            self._state.waiting = before

    def check(self) -> None:
        """Return if no rank is lost; the main thread calls it again and again where it waits."""
        if self.lost is not None and threading.current_thread() is threading.main_thread():
            self._rescue.run(self._save)
            _sleep_until_the_end()

    def failed(self, error: BaseException) -> None:
        """Tell the others why this rank fails."""
        if self._link is not None and not isinstance(error, (KeyboardInterrupt, SystemExit)):
            first = (str(error).splitlines() or [""])[0]
            self._state.failed = f"{RAISED}{type(error).__name__}: {first}"
            self._link.publish()

    def stop(self) -> None:
        """End in order, as the end of the process does: rank 0, which holds the store, waits for the others."""
        self._state.waiting, self._state.done = "", True
        if self._link is not None:
            self._link.stop()

    def _await_verdict(self) -> None:
        """Wait until it is known which rank made a collective fail: a broken connection does not say."""
        end = time.monotonic() + self._timeout + 2
        while self.lost is None and not self._state.failed and time.monotonic() < end:
            time.sleep(0.05)

    def _leave(self, lost: Sequence[LostRank], living: Sequence[int]) -> NoReturn:
        """Name the lost ranks, have a checkpoint written if this rank is to, and end the process."""
        began = time.monotonic()
        for rank in lost:
            _tell(f"{rank}. Stopping.")
        self._reports.write(self._index, RankReport(lost))
        self._rescue.wanted = self.emergency is not None and bool(living) and living[0] == self._index
        self.lost = lost[0]
        if self._rescue.wanted:
            self._await_rescue(began + _RESCUE_SECONDS)
        saved = self._rescue.saved
        if saved:
            self._reports.write(self._index, RankReport(lost, saved))
            _tell(f"A checkpoint of the last finished step is at {saved}; `palm train … --resume` continues from it.")
        if self._index == 0 and self._link is not None:  # from its process the others read of the lost rank
            time.sleep(max(began + 4 * self._link.interval + 1 - time.monotonic(), 0))
        _end_process()

    def _save(self) -> str | None:
        """Write the checkpoint of the emergency, unless what the model holds is not the state after a step."""
        if self.emergency is None:
            return None
        if not self._state.limited or not self._can_save:
            where = self._state.activity if not self._state.limited else "an update of several batches"
            _tell(f"No checkpoint of the last finished step, since it happened within {where}. Earlier ones are valid.")
            return None
        return self.emergency()

    def _await_rescue(self, end: float) -> None:
        """Have the main thread write the checkpoint where it waits; another one, if it is in a call of Paddle."""
        rescue, waits_since, other = self._rescue, 0.0, False
        while not rescue.ended.wait(0.05) and time.monotonic() < end:
            if self._state.done or self._state.failed:  # the main thread ends by itself
                return
            waits_since = (waits_since or time.monotonic()) if self._state.waiting else 0.0
            if waits_since and not other and time.monotonic() - waits_since > _STUCK_SECONDS:
                other = True
                threading.Thread(target=rescue.run, args=(self._save,), daemon=True).start()
        if not rescue.ended.is_set():
            where = "the main thread did not finish its work" if not self._state.waiting else "it takes too long"
            _tell(f"No checkpoint of the last finished step: {where}.")

    def _noting(self, hook: Callable[..., object]) -> Callable[..., None]:
        """A `sys.excepthook` that tells the other ranks of the error as well."""

        def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            try:
                hook(kind, error, trace)
            finally:  # that of a script of PALM raises SystemExit
                self.failed(error)

        return note


class _Rescue:
    """Writes the checkpoint of an emergency once, in the thread that comes first."""

    def __init__(self) -> None:
        self._begun = threading.Lock()
        self.wanted = False
        self.ended = threading.Event()
        self.saved: str | None = None

    def run(self, save: Callable[[], str | None]) -> None:
        """Write it, if this rank is to and no other thread does."""
        if not self._begun.acquire(blocking=False):
            return
        try:
            if self.wanted:
                self.saved = save()
        except Exception as error:  # the run ends in any case, for its own reason
            _tell(f"No checkpoint of the last finished step: {error}")
        finally:
            self.ended.set()


def _tell(line: str) -> None:
    """Write a line on stderr, below a progress bar."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"\n{line}\n")
        sys.stderr.flush()


def _sleep_until_the_end() -> NoReturn:
    while True:
        time.sleep(60)


def _end_process() -> NoReturn:
    """End it although the main thread may be in a call that does not return."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(EXIT_LOST)
