"""TensorBoard: event files in save_path, written by tensorboardX."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

from palm.tracking.base import TRACKERS, Started, TrackedRun, Tracker
from palm.tracking.events import HowEnded

_FLUSH = 10  # seconds until a number is in the file


@final
@TRACKERS.register("tensorboard")
class TensorBoardTracker(Tracker):
    """Writes event files; a resumed run purges what a crashed one had written after the checkpoint."""

    package = "tensorboardX"
    extra = "tensorboard"
    by_default = True

    def __init__(self) -> None:
        self._writer: Any = None
        self._at_end: Any = None

    def start(self, run: TrackedRun) -> Started:
        """Open an event file, with the configuration as hyper-parameters."""
        with _hidden("torch"):  # it would be imported for types of which there are none here, in seconds
            from tensorboardX import SummaryWriter  # noqa: PLC0415 (an extra)
            from tensorboardX.summary import hparams  # noqa: PLC0415

        purge = {"purge_step": run.global_step + 1} if run.global_step else {}
        folder = run.folder / "tensorboard"
        self._writer = SummaryWriter(str(folder), flush_secs=_FLUSH, **purge)
        experiment, begin, self._at_end = hparams(dict(run.hyper_parameters), {})
        self._writer.file_writer.add_summary(experiment)
        self._writer.file_writer.add_summary(begin)
        where = run.folder.parent.as_posix()
        return Started(f"TensorBoard: `tensorboard --logdir {where}` shows the run (`report_to: none` turns it off).")

    def log(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Write scalars."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, global_step)

    def finish(self, outcome: HowEnded) -> None:
        """Write what is buffered, and close the file."""
        del outcome  # an event file has no place for it
        self._writer.file_writer.add_summary(self._at_end)
        self._writer.close()


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let `import name` fail as if it were not installed, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)
