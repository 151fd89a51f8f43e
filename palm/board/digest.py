"""What the list of runs says of each, without its curves: of metrics.jsonl only the lines of no step are parsed."""

import hashlib
import os
from pathlib import Path

from palm.errors import CheckpointError
from palm.metric.base import LOSS
from palm.report.configuration import read_configuration
from palm.report.curves import FollowedRun
from palm.report.run_folder import RunState, state_of
from palm.schema.run_description import RunDescription, read_description
from palm.storage.layout import FACTS_FILE, METRICS_FILE, RESOLVED_CONFIG

_OF_STEPS = (b'"split": "train"', b'"split":"train"')
_MOST_TASKS = 4


class RunDigest:
    """A run of the list.

    Args:
        folder: Its folder.
        root: The folder that is searched.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.name = readable(folder.relative_to(root)) if folder != root else readable(Path(root.name))
        self.key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        """What requests call it: no path of a request reaches the disk."""
        self._followed = FollowedRun(folder, chosen=_few)
        self._seen: tuple[object, ...] | None = None
        self._described: tuple[object, ...] | None = None
        self._description: RunDescription | None = None
        self.state: RunState = "unknown"
        self.content: dict[str, object] = {}
        """The entry as JSON."""

    def update(self) -> bool:
        """Read what is new; whether that changes the entry."""
        described = _stamps(self.folder, FACTS_FILE, RESOLVED_CONFIG)
        if described != self._described:
            self._described, self._seen = described, None
            self._read_description()
        seen = _stamps(self.folder, METRICS_FILE)
        if seen != self._seen:
            self._seen = seen
            self._followed.update()
        self.state = state_of(self.folder, self._followed.curves, self._configuration)
        before, self.content = self.content, self._entry()
        return before != self.content

    def _read_description(self) -> None:
        try:
            self._description = read_description(self.folder)
        except CheckpointError:  # said where the run is opened
            self._description = None
        self._configuration = read_configuration(self.folder, self._description)

    def _entry(self) -> dict[str, object]:
        curves, about = self._followed.curves, self._description
        names = list(dict.fromkeys([*self._configuration.task_names, *curves.tasks]))
        return {
            "key": self.key,
            "name": self.name,
            "state": self.state,
            "step": curves.last_step,
            "total": about.total_steps or None if about else None,
            "started": about.started if about else None,
            "processes": about.processes if about else 1,
            "tasks": names,
            "best": [best for name in names[:_MOST_TASKS] if (best := self._best(name)) is not None],
        }

    def _best(self, task: str) -> dict[str, object] | None:
        curves = self._followed.curves.tasks.get(task)
        best = curves.best() if curves and curves.main_metric != LOSS else None
        return None if best is None else {"task": task, "metric": best.metric, "value": float(f"{best.value:.4f}")}


def readable(path: Path) -> str:
    """A path as text that JSON can hold, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "replace")


def _few(lines: list[bytes]) -> list[bytes]:
    """Lines of no step, and the last one, which tells how far a run is."""
    kept = [line for line in lines if _OF_STEPS[0] not in line and _OF_STEPS[1] not in line]
    return kept if not lines or (kept and kept[-1] is lines[-1]) else [*kept, lines[-1]]


def _stamps(folder: Path, *names: str) -> tuple[object, ...]:
    """What changes when one of these files does."""
    return tuple(_stamp(folder / name) for name in names)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
