"""VisualDL, Paddle's own."""

from collections.abc import Mapping
from typing import Any, final

from palm.tracking.base import TRACKERS, Started, TrackedRun, Tracker
from palm.tracking.events import HowEnded


@final
@TRACKERS.register("visualdl")
class VisualDLTracker(Tracker):
    """Writes a log file in save_path; a resumed run goes on in the same file."""

    package = "visualdl"
    extra = "visualdl"

    def __init__(self) -> None:
        self._writer: Any = None

    def start(self, run: TrackedRun) -> Started:
        """Open the file, with the configuration as hyper-parameters."""
        from visualdl import LogWriter  # noqa: PLC0415 (an extra)

        folder = run.folder / "visualdl"
        self._writer = LogWriter(logdir=str(folder), file_name=run.identity)
        if not run.identity:
            # A flag is none of the types that it takes.
            keys = {key: str(each) if isinstance(each, bool) else each for key, each in run.hyper_parameters.items()}
            self._writer.add_hparams(keys, [])
        name = self._writer.file_name.rsplit("/", 1)[-1]
        return Started(f"VisualDL: `visualdl --logdir {folder.as_posix()}` shows the run.", name)

    def log(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Write scalars."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, global_step)

    def finish(self, outcome: HowEnded) -> None:
        """Close the file."""
        del outcome  # a log file has no place for it
        self._writer.close()
