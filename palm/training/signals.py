"""SIGINT (Ctrl-C) and SIGTERM during training: the first asks for a checkpoint and the end, the second ends at once."""

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WORDS = "\n{}: stopping after this step, {} a checkpoint. The same again quits at once.\n"


def _second_effect(number: signal.Signals) -> Any:  # noqa: ANN401 (as Python's own handlers)
    """The system's own; in a notebook an interrupt goes on to stop the cell, not the kernel with all its variables."""
    in_notebook = number == signal.SIGINT and "ipykernel" in sys.modules
    return signal.default_int_handler if in_notebook else signal.SIG_DFL


class StopSignals:
    """While this context is open, notes the first such signal in `received` in place of ending the process.

    The second signal has the system's own effect: it ends the process even in the middle of an operation, which leaves
    earlier checkpoints whole. Outside the main thread, where Python takes no signals, nothing is noted.

    Args:
        saves: Whether whoever is told of the signal leaves a checkpoint, for its message.
    """

    def __init__(self, *, saves: bool = True) -> None:
        self._left = "with" if saves else "without"
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stop(self) -> NoReturn:
        """End as the signal wants it: exit code 130 after SIGINT, 143 after SIGTERM."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        for other in _SIGNALS:
            signal.signal(other, _second_effect(other))
        os.write(2, _WORDS.format(self.received.name, self._left).encode())
