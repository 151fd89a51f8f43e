"""A run whose curves are shown: its metrics and its log, read as they grow, and what requests ask of it."""

import threading
from pathlib import Path

from palm.board.buckets import ChartWindow
from palm.board.lines import lines_of
from palm.report.curves import FollowedRun
from palm.report.events import LogFacts
from palm.report.run_folder import ReadRun, followed_run
from palm.storage.layout import LOG_FILE

MOST_LINES = 8_000_000
"""Lines of metrics.jsonl that are held, at about 100 bytes each."""

_LOG_PART = 1 << 20


class BoardRun:
    """A run that is read in slices, so that others and requests have their turn.

    Args:
        folder: Its folder.
        name: What it is called.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.lines = 0
        """Lines of metrics.jsonl that are held."""
        self._followed = FollowedRun(folder)
        self._log = _FollowedLog(folder / LOG_FILE)
        self._lock = threading.Lock()
        self._read: ReadRun | None = None

    def update(self, seconds: float) -> bool:
        """Read for about so long at most; whether anything was new."""
        with self._lock:
            generation = self._followed.generation
            count = self._followed.update(seconds)
            if self._followed.generation != generation:
                self.lines = 0
            self.lines += count
            is_new = self._log.update() or bool(count) or self._followed.generation != generation
            if is_new:
                self._read = None
        return is_new

    @property
    def progress(self) -> dict[str, object]:
        """How far the run is and how much of it was read, as JSON."""
        return {
            "generation": self._followed.generation,
            "step": self._followed.curves.last_step,
            "lines": self.lines,
            "full": self.lines >= MOST_LINES,
            "read": round(self._followed.file.fraction_read, 3),
        }

    def chart_lines(self, window: ChartWindow) -> dict[str, object]:
        """The lines of its charts in a window, as JSON."""
        with self._lock:
            run = self._as_read()
            lines = [line.content(window) for line in lines_of(run, window)]
            return {**self.progress, "tasks": run.task_names, "lines": lines}

    def as_read(self) -> ReadRun:
        """The run as the tables show it."""
        with self._lock:
            return self._as_read()

    def _as_read(self) -> ReadRun:
        if self._read is None:
            self._read = followed_run(self.folder, self._followed, self._log.facts, self.name)
        return self._read


class _FollowedLog:
    """What log.txt says, read as it grows.

    Args:
        file: The file, which may not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._offset = file, 0
        self.facts = LogFacts()

    def update(self) -> bool:
        """Read what is new, a part of a large file; whether there was a line."""
        try:
            with self._file.open("rb") as stream:
                if stream.seek(0, 2) < self._offset:  # another run's
                    self._offset, self.facts = 0, LogFacts()
                stream.seek(self._offset)
                part = stream.read(_LOG_PART)
        except OSError:
            return False
        lines, _, _ = part.rpartition(b"\n")
        if not lines and not part.startswith(b"\n"):
            return self._pass_over(part)
        self._offset += len(lines) + 1
        for line in lines.decode("utf-8", "replace").split("\n"):
            self.facts.add(line)
        return True

    def _pass_over(self, part: bytes) -> bool:
        """Leave out a part without any end of a line, once it is too long to wait for it."""
        if len(part) < _LOG_PART:
            return False
        self._offset += len(part)
        return True
