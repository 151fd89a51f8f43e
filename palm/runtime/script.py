"""A user's own script around PALM: whether this process runs one, and how it ends when PALM refuses something."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from palm.errors import PalmError
from palm.locale.current import translated
from palm.runtime.paddle_packages import missing_paddle

EXIT_ERROR = PalmError.exit_code

_FOREIGN_MODULES = ("ipykernel", "_pytest")
_FOREIGN_SCRIPTS = ("", "-c", "-", "ipython", "ipykernel_launcher.py", "pytest", "py.test")


def runs_a_script(argv: Sequence[str]) -> bool:
    """Whether `argv` is the command line of a script; not in a notebook, under pytest or in an interpreter."""
    foreign = not argv or Path(argv[0]).name in _FOREIGN_SCRIPTS
    return not foreign and not any(name in sys.modules for name in _FOREIGN_MODULES)


def end_script_with_message() -> None:
    """Have a script end as the command line does when nothing catches an error of PALM: its message and exit code.

    Elsewhere, with `python -i`, `python -X dev`, or with another hook installed, nothing changes.
    """
    if sys.excepthook is sys.__excepthook__ and runs_a_script(sys.argv):
        sys.excepthook = _end_with_message


def _end_with_message(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    message = str(error) if isinstance(error, PalmError) else missing_paddle(error)
    if message is None or sys.flags.interactive or sys.flags.dev_mode:
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(f"{translated(message)}\n")
    raise SystemExit(error.exit_code if isinstance(error, PalmError) else EXIT_ERROR)
