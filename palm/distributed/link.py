"""The two threads of a watch: one talks with the store of all ranks, one judges what it hears."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from palm.distributed.beats import PATIENCE, Beat, Judge, News, lost_rank, silent_for
from palm.distributed.main_thread import MainThread
from palm.distributed.network import send_at_once
from palm.distributed.reports import LostRank, Reports

_BEATS_PER_TIMEOUT = 30
_SHORTEST, _LONGEST = 0.05, 0.5  # seconds between two beats
_SAME_FAILURE = 2.0
_CONNECT_SECONDS = 30
_NEWS, _BEAT, _BEGUN = "palm/news", "palm/beat", "palm/begun"


@dataclass
class RankState:
    """What the main thread says of itself, for the next beat: see `Beat`."""

    activity: str = "starting"
    limited: bool = False
    waiting: str = ""
    meeting: int = 0
    failed: str = ""
    done: bool = False


class Link:
    """Beats, and reads the beats of others.

    Args:
        state: What the main thread says of itself.
        index: Number of this rank.
        count: Number of ranks.
        timeout: Seconds within which a lost rank is named.
        reports: Notes of the supervisor.
        on_lost: Called once with lost ranks and the living ones; it ends the process.
        tell: Writes a line for the user.
    """

    def __init__(
        self,
        state: RankState,
        index: int,
        count: int,
        *,
        timeout: float,
        reports: Reports,
        on_lost: Callable[[Sequence[LostRank], Sequence[int]], None],
        tell: Callable[[str], None],
    ) -> None:
        self._state = state
        self._index = index
        self._count = count
        self._timeout = timeout
        self._reports = reports
        self._on_lost = on_lost
        self._tell = tell
        self.interval = min(max(timeout / _BEATS_PER_TIMEOUT, _SHORTEST), _LONGEST)
        self._judge = Judge(timeout)
        self._lock = threading.Lock()
        self._news: News | None = None
        self._news_at = time.monotonic()
        self._store_is_gone = False
        self._beats = 0
        self._main = MainThread()
        self._published = threading.Event()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._parent = os.getppid()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in (("palm-beat", self._talk_always), ("palm-watch", self._judge_always))
        ]

    def start(self) -> None:
        """Start both threads."""
        if self._index == 0:
            for index in range(self._count):
                self._judge.see(index, Beat(0, "unknown host", 0, activity="starting"), time.monotonic())
        for thread in self._threads:
            thread.start()

    def note_step(self, seconds: float) -> None:
        """Take note of how long a step took."""
        self._judge.longest_step = max(self._judge.longest_step, seconds)

    def publish(self) -> None:
        """Wait until the others can read the present state, or the store is gone."""
        for _ in range(2):  # a beat that is under way may hold the state before
            self._published.clear()
            self._wake.set()
            self._published.wait(self._timeout)

    def stop(self) -> None:
        """End both threads; rank 0, which holds the store, first waits for the end of the others."""
        self.publish()
        while self._index == 0 and not self._state.failed and set(self._judge.living) > {0}:
            self._wake.set()
            time.sleep(_SHORTEST)
        if self._index == 0 and self._state.failed:
            time.sleep(3 * self.interval)  # for the others to read why
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(4 * self.interval)

    # The thread that talks.

    def _talk_always(self) -> None:
        try:
            store = self._connect()
            while not self._stopping.is_set():
                self._talk(store)
                self._published.set()
                self._wake.wait(self.interval)
                self._wake.clear()
        except Exception:  # Paddle's store raises several kinds when its process is gone
            self._store_is_gone = True
        while not self._stopping.wait(self.interval):
            self._published.set()

    def _connect(self) -> Any:  # noqa: ANN401 (Paddle's store has no public type)
        """A connection of its own: over the main thread's, a beat would wait while that waits for a value."""
        from paddle.base import core  # noqa: PLC0415 (all ranks have imported it)

        host, port = store_address()
        store = core.TCPStore(host, port, False, self._count, _CONNECT_SECONDS)
        send_at_once(port)
        return store

    def _talk(self, store: Any) -> None:  # noqa: ANN401 (as above)
        beat = self._beat()
        if self._index == 0:
            with self._lock:
                self._news = self._judged(store, beat)
            store.set(_NEWS, self._news.as_json())
        else:
            store.set(f"{_BEAT}/{self._index}", beat.as_json())
        if beat.number == 1:
            store.add(f"{_BEGUN}/{self._index}", 1)
        if self._index != 0:
            self._read_news(store)

    def _judged(self, store: Any, own: Beat) -> News:  # noqa: ANN401 (as above)
        self._judge.see(0, own, time.monotonic())
        for index in range(1, self._count):
            if store.add(f"{_BEGUN}/{index}", 0):  # a value that was never set would be waited for
                beat = Beat.from_json(bytes(store.get(f"{_BEAT}/{index}")).decode())
                self._judge.see(index, beat, time.monotonic())
        known = self._news.lost if self._news else ()
        return News(own.number, own, self._judge.living, known or self._judge.lost(time.monotonic()))

    def _read_news(self, store: Any) -> None:  # noqa: ANN401 (as above)
        if store.add(f"{_BEGUN}/0", 0):
            news = News.from_json(bytes(store.get(_NEWS)).decode())
            if self._news is None or news.number != self._news.number:
                self._news_at = time.monotonic()
            self._news = news

    def _beat(self) -> Beat:
        state, self._beats = self._state, self._beats + 1
        return Beat(
            number=self._beats,
            host=socket.gethostname(),
            pid=os.getpid(),
            activity=state.activity,
            limited=state.limited,
            meeting=state.meeting,
            waiting=state.waiting,
            where=self._main.position(),
            busy=self._main.is_busy(),
            failed=state.failed,
            done=state.done,
            ended=self._reports.ends(),
        )

    # The thread that judges.

    def _judge_always(self) -> None:
        last = time.monotonic()
        while not self._stopping.wait(self.interval):
            now = time.monotonic()
            if now - last > 4 * self.interval + 0.5:
                self._pass_over(now - last)
            last = now
            self._follow_parent()
            lost = self._lost()
            if lost and not self._fails_too(lost):
                living = self._news.living if self._news else range(self._count)
                self._on_lost(lost, [index for index in living if index not in {rank.index for rank in lost}])

    def _pass_over(self, seconds: float) -> None:
        """Leave out a time in which this process itself was stopped, such as by Ctrl-Z."""
        with self._lock:
            self._judge.pass_over(seconds)
        self._news_at += seconds

    def _fails_too(self, lost: Sequence[LostRank]) -> bool:
        """Whether this rank ends by itself: a failure that another one has as well, for which it has its own words."""
        end = time.monotonic() + _SAME_FAILURE
        raised = all(rank.has_raised for rank in lost)
        while raised and not self._state.failed and time.monotonic() < end:
            time.sleep(self.interval)
        return bool(self._state.failed) or self._stopping.is_set()

    def _lost(self) -> Sequence[LostRank]:
        news = self._news
        if news is not None and news.lost:
            return news.lost
        if self._index == 0:
            with self._lock:
                for line in self._judge.notices(time.monotonic()):
                    self._tell(line)
            return []
        return [] if self._state.done else self._first_lost(news)

    def _first_lost(self, news: News | None) -> Sequence[LostRank]:
        """Rank 0, if it has ended, does not answer, or its store is gone."""
        silent = time.monotonic() - self._news_at
        why = self._reports.ends().get(0)
        if why is None and self._store_is_gone:
            why = "has ended, and with it the store of all ranks"
        if why is None and silent > PATIENCE * self._timeout:
            why = silent_for(silent)
        if why is None:
            return []
        return [lost_rank(0, news.first, why) if news else LostRank(0, store_address()[0], 0, "starting", why)]

    def _follow_parent(self) -> None:
        """Under Paddle's launch module, stop as after a signal if it was killed. `palm train` ends its ranks itself."""
        if "PADDLE_LOG_DIR" in os.environ and os.getppid() != self._parent:
            self._parent = os.getppid()
            os.kill(os.getpid(), signal.SIGTERM)


def store_address() -> tuple[str, int]:
    """Where Paddle's store is, as `init_parallel_env` finds it."""
    host, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    if not (host and port):
        first = os.environ.get("PADDLE_TRAINER_ENDPOINTS", "").split(",")[0]
        host, _, port = (os.environ.get("PADDLE_MASTER") or first).rpartition(":")
    return host, int(port)
