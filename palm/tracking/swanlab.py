"""SwanLab."""

import os
from collections.abc import Mapping
from typing import Any, final

from palm.tracking.base import PROJECT, TRACKERS, Started, TrackedRun, Tracker
from palm.tracking.events import HowEnded

_STATE = {"finished": "success", "stopped": "aborted", "failed": "crashed"}


@final
@TRACKERS.register("swanlab")
class SwanLabTracker(Tracker):
    """Sends a run to SwanLab, or records it for `swanlab sync` without an API key or a network.

    $SWANLAB_MODE, $SWANLAB_PROJECT and others hold. Git, packages, the command line and what is printed are not sent.
    """

    package = "swanlab"
    extra = "swanlab"

    def __init__(self) -> None:
        self._run: Any = None

    def start(self, run: TrackedRun) -> Started:
        """Begin the run, or go on with the one of this id."""
        import swanlab  # noqa: PLC0415 (an extra)

        reason = ""
        try:
            self._run = _begin(swanlab, run, os.environ.get("SWANLAB_MODE"))
        except Exception as error:  # without a key, or without a network, it raises errors of several libraries
            found = type(error).__name__  # its message may hold what was sent
            reason = f" (no API key, `swanlab login`; or the server does not answer: {found})"
            self._run = _begin(swanlab, run, "offline")
        online = self._run.mode == "online"  # only then it has an address
        place = self._run.url if online else f"{self._run.mode}{reason}; `swanlab sync {self._run.dir}` sends it"
        return Started(f"SwanLab: {place}", self._run.id)

    def log(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Send numbers."""
        self._run.log(dict(scalars), step=global_step)

    def finish(self, outcome: HowEnded) -> None:
        """Upload what is left."""
        self._run.finish(_STATE[outcome], **({"error": "see log.txt"} if outcome == "failed" else {}))


def _begin(swanlab: Any, run: TrackedRun, mode: str | None) -> Any:  # noqa: ANN401 (a module; a run of it)
    settings = swanlab.Settings(
        interactive=False,
        terminal={"proxy_type": "none"},
        probe={"git": False, "requirements": False, "runtime": False, "conda": False},
    )
    home = run.folder / "swanlab"
    home.mkdir(exist_ok=True)
    return swanlab.init(
        project=os.environ.get("SWANLAB_PROJECT", PROJECT),
        name=run.name,
        log_dir=str(home),
        id=run.identity or None,
        resume="allow" if run.identity else None,
        config=dict(run.config),
        mode=mode,
        settings=settings,
    )
