"""Prevents two runs from training in the same folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from palm.errors import CheckpointError
from palm.storage.atomic_directory import os_errors_as

_LOCK_FILE = ".training.lock"


@contextmanager
def exclusive_run_lock(save_path: Path) -> Iterator[None]:
    """Lock `save_path` for one run; the system releases the lock when the process ends, however that happens.

    Raises:
        CheckpointError: Another process trains there, or the folder is read-only.
    """
    lock = FileLock(save_path / _LOCK_FILE, timeout=0)
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
