"""The interface of trackers, and their registry."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from palm.registry import Registry
from palm.tracking.events import HowEnded
from palm.tracking.hyper_parameters import Plain

PROJECT = "palm"
"""The project or experiment of runs, unless the tracker's own environment variable names another."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told when a run begins.

    Attributes:
        name: Name of the run.
        folder: Where trackers write: `save_path/trackers`, which exists.
        config: The configuration, nested and without secrets.
        hyper_parameters: The same, flat.
        global_step: Steps done before; above 0 if the run was resumed.
        identity: What the tracker returned as the identity of this run when it was started; empty for a new run.
    """

    name: str
    folder: Path
    config: Mapping[str, object]
    hyper_parameters: Mapping[str, Plain]
    global_step: int
    identity: str = ""


@dataclass(frozen=True)
class Started:
    """A tracker has begun.

    Attributes:
        line: What the log says about it: where the run can be seen.
        identity: By which the tracker finds the run when it is resumed. It is then not sent again what it has. Without
            one it gets everything after the checkpoint, and has to forget by itself what it had of that. Either way
            it is sent what it lacks of the steps before, as after a process was killed.
    """

    line: str
    identity: str = ""


class Tracker(ABC):
    """Sends the numbers of a run to one experiment tracker.

    Every method may raise: the tracker is then not used any more in the run, which is reported once.
    """

    package: ClassVar[str]
    """The module that it needs."""
    extra: ClassVar[str]
    """What `pip install` is given for it."""
    by_default: ClassVar[bool] = False
    """Whether it is used without `report_to`, where its package is installed."""

    @abstractmethod
    def start(self, run: TrackedRun) -> Started:
        """Begin a run, or go on with the one that `run.identity` names."""

    @abstractmethod
    def log(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Record numbers of a step."""

    @abstractmethod
    def finish(self, outcome: HowEnded) -> None:
        """Write what is left, and end the run."""

    @classmethod
    def is_installed(cls) -> bool:
        """Whether its package can be imported."""
        try:
            return find_spec(cls.package) is not None
        except (ImportError, ValueError):
            return False


def _tracker_problem(component: object) -> str | None:
    if isinstance(component, type) and issubclass(component, Tracker):
        return None
    return f"a class that extends `Tracker` is expected. Found `{component!r:.80}`."


TRACKERS: Registry[type[Tracker]] = Registry("tracker", _tracker_problem, lower_case=True)
