"""Prevents two runs from training in the same folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from palm.errors import CheckpointError
from palm.storage.atomic_directory import os_errors_as

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOCK_FILE = ".training.lock"
_PATIENCE = 0.2
"""Seconds that a run waits for the lock: longer than `is_training` holds it."""


@contextmanager
def exclusive_run_lock(save_path: Path) -> Iterator[None]:
    """Lock `save_path` for one run; the system releases the lock when the process ends, however that happens.

    Raises:
        CheckpointError: Another process trains there, or the folder is read-only.
    """
    lock = FileLock(save_path / _LOCK_FILE, timeout=_PATIENCE, poll_interval=0.02)
    with os_errors_as(save_path, "save_path"):
        _acquire(lock, save_path)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, save_path: Path) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        rule = "another run is training in this folder, and two runs would overwrite each other's files."
        raise CheckpointError(f"{save_path}: {rule} Wait for it, or choose another save_path.") from error


def is_training(save_path: Path) -> bool:
    """Whether a process of this machine trains in `save_path`; False where this system does not tell."""
    file = save_path / _LOCK_FILE
    if fcntl is None or not file.is_file():
        return False
    try:
        with file.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)  # released when the file is closed
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False
