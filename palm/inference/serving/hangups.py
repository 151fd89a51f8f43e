"""SIGHUP before a server can reload: it is remembered, and the model loaded again once it answers.

The signal ends a process that does not handle it. A server handles it from its first line on. A worker is started with
the signal blocked, so that one from before that line arrives after it.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = {signal.SIGHUP}


class EarlyHangups:
    """Remembers whether SIGHUP came.

    Attributes:
        came: Whether it did, once or several times.
    """

    def __init__(self) -> None:
        self.came = False

    def catch(self) -> None:
        """Handle the signal from now on, also one that waits since this process began."""
        if threading.current_thread() is threading.main_thread():  # no other one handles signals
            signal.signal(signal.SIGHUP, self._remember)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.came = True


@contextmanager
def hangups_blocked() -> Generator[None, None, None]:
    """Keep SIGHUP waiting, also in processes that are started meanwhile, until they unblock it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
