"""Moves a downloaded folder into place atomically, with a note of its origin, and verifies it later."""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from palm.storage.atomic_directory import sha256_of

SOURCE_FILE = "source.json"

_log = logging.getLogger("palm")


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep other processes from writing `target` at the same time, waiting for them."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("%s: another process is downloading it; waiting.", target)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def placed(target: Path, source: Mapping[str, str | None]) -> Iterator[Path]:
    """Yield an empty folder; when the block succeeds, add the note and move it to `target`.

    An existing `target` that is not empty is renamed to `<name>.replaced`.

    Args:
        target: Final path of the folder.
        source: The note of its origin; may be filled in the block.

    """
    prefix = f".{target.name}.writing-"
    for stale in target.parent.glob(f"{prefix}*"):  # left by processes that died; the lock is ours
        shutil.rmtree(stale, ignore_errors=True)
    folder = target.with_name(f"{prefix}{os.getpid()}")
    try:
        folder.mkdir(parents=True)
        yield folder
        note = {**source, "files": _inventory(folder)}
        (folder / SOURCE_FILE).write_text(json.dumps(note, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        _archive(target)
        os.replace(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def origin_of(target: Path) -> dict[str, object] | None:
    """The note of a download whose files are all unchanged; None if there is none, or if a file differs."""
    try:
        note = json.loads((target / SOURCE_FILE).read_text(encoding="utf-8"))
        files = note["files"]
        unchanged = bool(files) and all(_is_unchanged(target / name, entry) for name, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return note if unchanged else None


def _is_unchanged(file: Path, entry: dict[str, object]) -> bool:
    return file.stat().st_size == entry["size"] and sha256_of(file) == entry["sha256"]


def _inventory(folder: Path) -> dict[str, dict[str, object]]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): {"size": file.stat().st_size, "sha256": sha256_of(file)} for file in files
    }


def _archive(target: Path) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    reason = "had changed since its download" if origin_of(target) is None else "was another revision"
    names = (f"{target.name}.replaced{number}" for number in ("", *(f"-{count}" for count in range(2, 1000))))
    archived = next(place for name in names if not (place := target.with_name(name)).exists())
    os.replace(target, archived)
    _log.warning("%s: %s; the old content is now %s.", target, reason, archived)
