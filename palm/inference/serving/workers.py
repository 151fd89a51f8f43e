"""Several processes behind one socket: each has its model and its part of the threads, and is replaced if it dies."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess  # nosec B404
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from palm.inference.serving.address import TOKEN_VARIABLE
from palm.inference.serving.hangups import hangups_blocked
from palm.inference.serving.metrics import SHARED_FOLDER
from palm.runtime.environment import THREADS

WORKER_SOCKET = "PALM_SERVE_SOCKET"
"""Variable with the number of the socket that a worker takes from its parent."""
WORKER_READY = "PALM_SERVE_READY"
"""Variable with the number of the pipe into which a worker writes a byte once it listens."""

_log = logging.getLogger(__name__)
_YOUNG_SECONDS, _MOST_YOUNG_DEATHS = 10.0, 3
_TICK = 0.1


class Workers:
    """The worker processes of `palm serve --workers N`.

    Args:
        count: How many.
        words: The command line of each, after the name of this Python.
        bound: The bound socket, which they share.
        threads: Threads of all together.
        token: The token of requests, which the command line does not show.
        stop_seconds: How long a worker may take to stop.
        announce: What to print once all of them listen.
    """

    def __init__(
        self,
        count: int,
        words: Sequence[str],
        bound: socket.socket,
        *,
        threads: int,
        token: str | None,
        stop_seconds: float,
        announce: str,
    ) -> None:
        self._announce, self._waits_for = announce, count
        self._ready, ready = os.pipe()
        os.set_blocking(self._ready, False)
        self._passed = (bound.fileno(), ready)
        self._words, self._bound, self._stop_seconds = list(words), bound, stop_seconds
        self._folder = tempfile.mkdtemp(prefix="palm-serve-")
        own = {
            THREADS: str(max(1, threads // count)),
            WORKER_SOCKET: str(bound.fileno()),
            WORKER_READY: str(ready),
            SHARED_FOLDER: self._folder,
            **({} if token is None else {TOKEN_VARIABLE: token}),
        }
        self._environment: Mapping[str, str] = {**os.environ, **own}
        self._count = count
        self._running: dict[subprocess.Popen[bytes], float] = {}
        self._received: signal.Signals | None = None

    def run(self) -> int:
        """Start them, hand signals on, and replace those that die; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hand_on)
        try:
            return self._supervise()
        finally:
            self._end()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _supervise(self) -> int:
        young_deaths = 0
        while self._received is None:
            dead = [worker for worker in self._running if worker.poll() is not None]
            for worker in dead:
                lived = time.monotonic() - self._running.pop(worker)
                mark_process_dead(worker.pid, self._folder)  # type: ignore[no-untyped-call]
                young_deaths = young_deaths + 1 if lived < _YOUNG_SECONDS else 0
                if young_deaths >= _MOST_YOUNG_DEATHS or worker.returncode == 2:
                    _log.error("a worker cannot start (exit code %d); its message stands above", worker.returncode)
                    return worker.returncode if worker.returncode > 0 else 1
                _log.warning("worker %d ended with code %d; another one starts", worker.pid, worker.returncode)
            while len(self._running) < self._count and self._received is None:
                self._running[self._start()] = time.monotonic()
            self._say_when_ready()
            time.sleep(_TICK)
        return 0

    def _say_when_ready(self) -> None:
        if self._waits_for <= 0:
            return
        with contextlib.suppress(BlockingIOError):
            self._waits_for -= len(os.read(self._ready, self._count))
        if self._waits_for <= 0:
            sys.stdout.write(f"{self._announce}\n")
            sys.stdout.flush()

    def _start(self) -> "subprocess.Popen[bytes]":
        # A session of its own: Ctrl-C reaches the parent alone, which hands it on once.
        with hangups_blocked():
            return subprocess.Popen(  # nosec B603
                [sys.executable, *self._words],
                env=self._environment,
                pass_fds=self._passed,
                start_new_session=True,
            )

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._send(signal.SIGHUP)
            return
        if self._received is not None:  # the second one
            self._send(signal.SIGKILL)
        self._received = signal.Signals(number)

    def _send(self, number: signal.Signals) -> None:
        for worker in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(number)

    def _end(self) -> None:
        """Stop all workers; those that take too long, at once."""
        self._bound.close()
        self._send(signal.SIGTERM)
        until = time.monotonic() + self._stop_seconds + 10
        for worker in self._running:
            try:
                worker.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def say_ready() -> None:
    """Tell the parent of this worker that it listens."""
    with contextlib.suppress(OSError, ValueError):
        os.write(int(os.environ.get(WORKER_READY, "")), b".")
