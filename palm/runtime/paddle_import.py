"""Imports Paddle without its usual messages, and without the log handler that it installs for the whole process."""

import contextlib
import importlib
import io
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator

from palm.errors import ConfigError, Problem
from palm.runtime.paddle_packages import import_fault, installed_fault
from palm.runtime.paddle_versions import IMPORTED_FIRST, modules_too_late

# A missing ccache only matters for compiling Paddle extensions; PALM sets several OpenMP threads on purpose.
_KNOWN_LINES = ("WARNING: OMP_NUM_THREADS set to", "PLEASE USE OMP_NUM_THREADS WISELY.")


def import_paddle() -> None:
    """Import Paddle; what else it writes to stderr is passed on.

    Raises:
        ConfigError: It is not installed, or cannot be imported.
    """
    fault = installed_fault()
    if fault is not None:
        raise ConfigError(Problem("Paddle", str(fault)))
    if "paddle" in sys.modules:
        _refuse_late_modules()
        _end_at_sigterm()
        return
    for name in IMPORTED_FIRST:
        importlib.import_module(name)
    try:
        with without_lines(_KNOWN_LINES), _root_logger_kept(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No ccache found", category=UserWarning)
            paddle = importlib.import_module("paddle")
            # Otherwise a SIGTERM before training, which only ends the process, prints a C++ trace.
            paddle.disable_signal_handler()
    except (ImportError, OSError) as error:
        raise ConfigError(Problem("Paddle", str(import_fault(error)))) from error


@contextlib.contextmanager
def without_lines(beginnings: tuple[str, ...]) -> Iterator[None]:
    """Leave out lines with these beginnings of what is written to stderr; the others follow at the end of the block."""
    written = io.StringIO()
    try:
        with contextlib.redirect_stderr(written):
            yield
    finally:
        unknown = [line for line in written.getvalue().splitlines() if not line.startswith(beginnings)]
        sys.stderr.write("".join(f"{line}\n" for line in unknown))


def _refuse_late_modules() -> None:
    """End with a message what would end with a segmentation fault.

    Raises:
        ConfigError: A script has imported Paddle 2.6 before what crashes after it.
    """
    late = modules_too_late()
    if late:
        rule = f"Paddle 2.6 is imported after {' and '.join(IMPORTED_FIRST)}, which crash otherwise."
        advice = "Write `from palm import Controller` above `import paddle`, or use Paddle 3."
        raise ConfigError(Problem("Paddle", f"{rule} Found it before {' and '.join(late)}. {advice}"))


def _end_at_sigterm() -> None:
    """Let SIGTERM end the process where a script has imported Paddle, whose own handler may wait forever.

    It allocates memory for a C++ trace, also when the signal came in the middle of an allocation. A handler of the
    script stays; outside the main thread Python sets none.
    """
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo a `logging.basicConfig` of the block.

    Paddle calls it while stderr is a buffer here, so that every later warning of the process, the user's own included,
    would be written to that buffer. It would also make a later `basicConfig` of the user have no effect.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
