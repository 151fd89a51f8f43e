"""The entries of a cache: atomic directories named by a key; the least recently used are removed first."""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from palm.errors import CheckpointError, ConfigError, Problem
from palm.storage.atomic_directory import remove_folder, remove_stale, verify

LOG = logging.getLogger(__name__)
_ENTRY = re.compile("[0-9a-f]{64}")
_LOCK = re.compile(r"\.[0-9a-f]{64}\.lock")


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        folder: Its folder; the name is its key.
        size: Bytes on disk.
        used: When it was last used, in seconds since the epoch.
    """

    folder: Path
    size: int
    used: float


def find_entry(home: Path, key: str) -> Path | None:
    """The folder of the entry `key`, verified against its manifest and marked as used now; None if it does not exist.

    A damaged entry is removed, so that it is rebuilt.
    """
    folder = home / key
    if not folder.is_dir():
        return None
    try:
        verify(folder)
    except (CheckpointError, OSError):
        LOG.warning("%s: this cache entry is damaged, so it is rebuilt.", folder)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    with suppress(OSError):  # a read-only cache is usable as well
        os.utime(folder)
    return folder


@contextmanager
def entry_lock(home: Path, key: str, *, patience: float) -> Iterator[Path]:
    """Keep other processes from writing the entry `key` at the same time; yield its folder.

    Raises:
        OSError: The cache cannot be written, or another process keeps the lock for longer than `patience` seconds.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)  # the data may be private
    lock = FileLock(home / f".{key}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        LOG.warning("%s: another process is writing it; waiting.", home / key)
        lock.acquire(timeout=patience)
    try:
        yield home / key
    finally:
        lock.release()


def entries(home: Path) -> list[Entry]:
    """Every entry, the least recently used first."""
    return sorted(_listed(home), key=lambda entry: (entry.used, entry.folder))


def evict(home: Path, limit: int) -> list[Path]:
    """Remove the least recently used entries until the rest takes at most `limit` bytes; return the removed folders.

    Arrays that a process has mapped stay readable until it ends.
    """
    remove_stale(home)
    kept = entries(home)
    size, removed = sum(entry.size for entry in kept), []
    for entry in kept:
        if size > limit:
            with suppress(OSError):  # a read-only cache is left unchanged
                _remove(entry.folder)
                size -= entry.size
                removed.append(entry.folder)
    return removed


def clear(home: Path) -> int:
    """Remove every entry, and nothing else; return the freed bytes."""
    found = list(_listed(home))
    for entry in found:
        _remove(entry.folder)
    for file in _children(home, _LOCK):
        file.unlink(missing_ok=True)
    return sum(entry.size for entry in found)


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):  # another process was quicker
        remove_folder(folder)


def _listed(home: Path) -> Iterator[Entry]:
    for folder in _children(home, _ENTRY):
        with suppress(OSError):  # another process may be removing it
            size = sum(file.stat().st_size for file in folder.iterdir())
            yield Entry(folder, size, folder.stat().st_mtime)


def _children(home: Path, name: re.Pattern[str]) -> list[Path]:
    return [path for path in home.iterdir() if name.fullmatch(path.name)] if home.is_dir() else []


PLACE_VARIABLE, LIMIT_VARIABLE = "PALM_CACHE", "PALM_CACHE_LIMIT"
DATASETS_FOLDER = "datasets"
DEFAULT_LIMIT = 4 << 30
_POWERS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", re.IGNORECASE)


def cache_folder() -> Path:
    """`$PALM_CACHE`, else `palm` in `$XDG_CACHE_HOME`, else `~/.cache/palm`."""
    own = os.environ.get(PLACE_VARIABLE)
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification requires relative paths to be ignored.
    return (Path(shared) if Path(shared).is_absolute() else Path("~/.cache").expanduser()) / "palm"


def cache_limit() -> int:
    """Largest size in bytes: `$PALM_CACHE_LIMIT` (`500MB`, `8G`, plain bytes; 0 disables the cache), else 4 GB.

    Raises:
        ConfigError: The variable holds something else.
    """
    given = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not given:
        return DEFAULT_LIMIT
    found = _SIZE.fullmatch(given)
    if found is None:
        rule = f"the limit is a size such as 500MB or 8G, or 0 for no cache. Found `{given}`."
        raise ConfigError(Problem(LIMIT_VARIABLE, f"{rule} Correct the environment variable, or unset it."))
    return int(float(found[1]) * (1 << _POWERS[found[2].upper()]))


def readable_size(size: int) -> str:
    """`1.4 GB`, in powers of 1024."""
    for unit, power in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):.1f} {unit}"
    return f"{size} bytes"
