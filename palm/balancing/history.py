"""The history of a run's tasks: losses, metrics, and the state of a weighting. Part of each checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SMOOTHING = 0.05
"""Weight of the newest batch in a running mean, over about the last twenty batches of a task."""


@dataclass
class TaskHistory:
    """The history of one task, in numbers that JSON stores exactly.

    Attributes:
        first_loss: Loss of its first batch, by which later ones are normalised.
        smoothed_loss: Running mean of its losses.
        loss_sum: Sum of the losses of its current epoch.
        loss_count: Number of these losses.
        epoch_losses: Mean losses of its last two epochs, the newest last.
        dev_score: Its latest main dev metric, if sampler or weighting follow it.
        learned: Values that the weighting learned for it, by name.
    """

    first_loss: float | None = None
    smoothed_loss: float | None = None
    loss_sum: float = 0.0
    loss_count: int = 0
    epoch_losses: list[float] = field(default_factory=list)
    dev_score: float | None = None
    learned: dict[str, float] = field(default_factory=dict)

    def note_loss(self, loss: float) -> None:
        """Add the loss of a batch."""
        if self.first_loss is None:
            self.first_loss = loss
        self.smoothed_loss = smoothed(self.smoothed_loss, loss)
        self.loss_sum += loss
        self.loss_count += 1

    def end_epoch(self) -> None:
        """Add the mean loss of the finished epoch, if any of its batches had a loss."""
        if self.loss_count:
            self.epoch_losses = [*self.epoch_losses, self.loss_sum / self.loss_count][-2:]
            self.loss_sum, self.loss_count = 0.0, 0

    def normalised(self, loss: float) -> float | None:
        """`loss` divided by the first one (possibly itself); None if that was 0."""
        first = loss if self.first_loss is None else self.first_loss
        return loss / first if first else None


_RENAMED = {"figure": "dev_score"}
"""Name in format version 2 and earlier → name since version 3."""

History = dict[str, TaskHistory]
"""By task, in the order of the tasks."""


def smoothed(mean: float | None, value: float) -> float:
    """The running mean including `value`."""
    return value if mean is None else mean + SMOOTHING * (value - mean)


def history_from_saved(saved: Mapping[str, Mapping[str, Any]]) -> History:
    """Inverse of `dataclasses.asdict`, for this format version or an earlier one."""
    return {
        name: TaskHistory(**{_RENAMED.get(key, key): value for key, value in own.items()})
        for name, own in saved.items()
    }
