"""The runs below a folder, kept up to date by a thread while a page is open, and what has changed since when."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from palm.board.board_run import MOST_LINES, BoardRun
from palm.board.digest import RunDigest, readable
from palm.board.discovery import find_run_folders
from palm.locale.current import translated

_LOG = logging.getLogger(__name__)

TICK_SECONDS = 0.5
SLICE_SECONDS = 0.3
MOST_CHOSEN = 12
"""Runs that are shown at once."""

_LIST_SECONDS = 2.0
_SCAN_SHARE = 10  # a search that takes a second is repeated after ten


class Board:
    """The runs.

    Args:
        root: The folder that they are below.
        changed: Called from another thread when anything is new.
    """

    def __init__(self, root: Path, changed: Callable[[], None]) -> None:
        self.root, self._changed = root, changed
        self.version = 0
        """Grows with every change; each run and the list know theirs."""
        self.list_version = 0
        self.run_versions: dict[str, int] = {}
        self._digests: dict[str, RunDigest] = {}
        self._live: dict[str, BoardRun] = {}
        self._notes: tuple[str, ...] = ()
        self._watched: dict[int, tuple[str, ...]] = {}
        self._lock = threading.RLock()
        self._wake, self._is_closed = threading.Event(), False
        self._next_list = self._next_scan = 0.0
        self._faults = Faults(root)
        self._thread = threading.Thread(target=self._keep_up, name="palm-board", daemon=True)

    def start(self) -> None:
        """Begin to keep up to date."""
        self._thread.start()

    def close(self) -> None:
        """End that."""
        self._is_closed = True
        self._wake.set()

    def watch(self, viewer: int, keys: Sequence[str]) -> None:
        """Keep the list and these runs up to date for a viewer."""
        with self._lock:
            self._watched[viewer] = tuple(keys)
        self._wake.set()

    def unwatch(self, viewer: int) -> None:
        """A viewer is gone."""
        with self._lock:
            self._watched.pop(viewer, None)

    def listed(self) -> dict[str, object]:
        """The list of runs as JSON, the latest first."""
        with self._lock:
            entries = [digest.content for digest in self._digests.values() if digest.content]
            notes = [translated(note) for note in self._notes]
            return {"root": readable(self.root), "runs": entries, "notes": notes, "most": MOST_CHOSEN}

    def progress_since(self, version: int, keys: Sequence[str]) -> dict[str, object]:
        """How far those of the runs are that have changed since a version."""
        with self._lock:
            live = {key: self._live[key] for key in keys if key in self._live}
            return {key: run.progress for key, run in live.items() if self.run_versions.get(key, 0) > version}

    def open(self, key: str) -> BoardRun | None:
        """A run by its key; None where there is none (any more)."""
        with self._lock:
            digest = self._digests.get(key)
            if digest is None:
                return None
            run = self._live.pop(key, None) or BoardRun(digest.folder, digest.name)
            self._live[key] = run  # the last one is the one that was asked for last
            return run

    def _keep_up(self) -> None:
        while not self._is_closed:
            if not self._watched:
                self._wake.wait()
            self._wake.clear()
            try:
                is_behind = self._update()
                self._faults.clear()
            except Exception as error:  # such as a disk that fails; the next turn tries again
                self._faults.note(error)
                is_behind = False
            if not is_behind:
                self._wake.wait(TICK_SECONDS)

    def _update(self) -> bool:
        """Bring everything up to date that is looked at; whether a large file has more to read."""
        now = time.monotonic()
        if now >= self._next_scan:
            self._scan()
        if now >= self._next_list:
            self._update_list()
        keys = list(dict.fromkeys(key for chosen in list(self._watched.values()) for key in chosen))
        is_behind = any([self._update_run(key) for key in keys])
        self._release(set(keys))
        return is_behind

    def _scan(self) -> None:
        began = time.monotonic()
        found = find_run_folders(self.root)
        took = time.monotonic() - began
        self._next_scan = time.monotonic() + max(_LIST_SECONDS, _SCAN_SHARE * took)
        known = {digest.folder: key for key, digest in self._digests.items()}
        with self._lock:
            gone = [key for folder, key in known.items() if folder not in set(found.folders)]
            for key in gone:
                del self._digests[key]
                self._live.pop(key, None)
            new = [RunDigest(folder, self.root) for folder in found.folders if folder not in known]
            self._digests |= {digest.key: digest for digest in new}
            is_changed = bool(gone) or self._notes != found.notes
            self._notes = found.notes
        if new:
            self._next_list = 0.0
        if is_changed or (self.list_version == 0 and not new):
            self._note_list()

    def _update_list(self) -> None:
        is_changed = False
        for digest in list(self._digests.values()):
            is_changed |= digest.update()
            if self._is_closed:
                return
        if is_changed:  # once all are read: a page gives up the runs that a list lacks
            self._note_list()
        self._next_list = time.monotonic() + _LIST_SECONDS

    def _update_run(self, key: str) -> bool:
        """Read what is new of a run for a while; whether there is more."""
        run = self._live.get(key) or self.open(key)
        if run is None or run.lines >= MOST_LINES:
            return False
        if run.update(SLICE_SECONDS):
            with self._lock:
                self.version += 1
                self.run_versions[key] = self.version
            self._changed()
        return float(str(run.progress["read"])) < 1.0

    def _release(self, watched: set[str]) -> None:
        """Forget the curves of runs that no page shows, those asked for longest ago first, beyond what is held."""
        with self._lock:
            held = sum(run.lines for run in self._live.values())
            for key in [key for key in self._live if key not in watched]:
                if held <= MOST_LINES and len(self._live) <= 2 * MOST_CHOSEN:
                    return
                held -= self._live.pop(key).lines

    def _note_list(self) -> None:
        with self._lock:
            self.version += 1
            self.list_version = self.version
        self._changed()


class Faults:
    """What keeps a board, which tries every few seconds, from reading its runs: logged once for each kind of fault.

    Args:
        root: The folder of its runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._said: set[tuple[type[Exception], int | None]] = set()

    def note(self, error: Exception) -> None:
        """Log a fault, unless one of its kind was since the runs could be read; with a trace if no disk failed."""
        kind = type(error), getattr(error, "errno", None)
        if kind in self._said:
            return
        self._said.add(kind)
        reason = f"{type(error).__name__}: {error}"
        trace = None if isinstance(error, OSError) else error
        _LOG.warning("%s: the runs cannot be read: %s. The board tries again.", self._root, reason, exc_info=trace)

    def clear(self) -> None:
        """The runs were read: log it after a fault."""
        if self._said:
            self._said.clear()
            _LOG.warning("%s: the runs can be read again.", self._root)
