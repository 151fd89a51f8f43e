"""SIGINT (Ctrl-C) and SIGTERM during training: the first saves a checkpoint and stops, the second ends at once."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, ClassVar, NoReturn, Optional

from palm.distributed.rank_environment import is_rank
from palm.locale.current import translated

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAVING = "{}: stopping after this step, with a checkpoint. Send it again to quit at once."
_NOT_SAVING = "{}: stopping after this step, without a checkpoint. Send it again to quit at once."


# Paddle's launch module sends each SIGTERM three times within 0.6 s.
_REPEATED = 1.0


def _second_effect(number: signal.Signals) -> Any:  # noqa: ANN401 (as Python's own handlers)
    """The system's default; in a notebook an interrupt stops the cell, not the kernel with its variables."""
    in_notebook = number == signal.SIGINT and "ipykernel" in sys.modules
    return signal.default_int_handler if in_notebook else signal.SIG_DFL


def _to_stderr(line: str) -> None:
    """Write a line from a handler, where a buffer may be in use."""
    os.write(2, f"\n{translated(line)}\n".encode())


class StopSignals:
    """While this context is open, the first such signal is stored in `received` and does not end the process.

    The second signal has its default effect: it ends the process even in the middle of an operation; earlier
    checkpoints stay valid. A rank takes repetitions within a second for the same signal. Outside the main thread, where
    Python handles no signals, nothing is stored. A nested context shares the signal of the outer one: a signal in the
    last step of a run also ends the work after it.

    Args:
        saves: Whether a checkpoint follows the signal, for the message; the outermost context decides.
    """

    _outermost: ClassVar[Optional["StopSignals"]] = None
    _tellers: ClassVar[list[Callable[[str], None]]] = [_to_stderr]

    def __init__(self, *, saves: bool = True) -> None:
        self._words = _SAVING if saves else _NOT_SAVING
        self._received: signal.Signals | None = None
        self._received_at = 0.0
        self._before: dict[signal.Signals, Any] = {}
        self._shared: StopSignals = self

    @property
    def received(self) -> signal.Signals | None:
        """The first signal since the outermost context was opened."""
        return self._shared._received

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            if StopSignals._outermost is None:
                StopSignals._outermost = self
                self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
            self._shared = StopSignals._outermost
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if StopSignals._outermost is self:
            StopSignals._outermost = None

    def stop(self, received: signal.Signals | None = None) -> NoReturn:
        """End the process: exit code 130 after SIGINT, 143 after SIGTERM; `received` may be that of another rank."""
        if (received or self.received) == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received, self._received_at = signal.Signals(number), time.monotonic()
        for other in _SIGNALS:
            signal.signal(other, self._note_again if is_rank() else _second_effect(other))
        self._tellers[-1](self._words.format(self._received.name))

    @classmethod
    @contextmanager
    def told_by(cls, show: Callable[[str], None]) -> Iterator[None]:
        """While this context is open, `show` tells what a signal does, instead of stderr; a handler calls it."""
        cls._tellers.append(show)
        try:
            yield
        finally:
            cls._tellers.remove(show)

    def _note_again(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._received_at > _REPEATED:
            signal.signal(number, _second_effect(signal.Signals(number)))
            os.kill(os.getpid(), number)
