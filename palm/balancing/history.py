"""What a run knows about its tasks so far: losses, figures, and what a weighting keeps. Part of each checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SMOOTHING = 0.05
"""Share of the newest batch in a running mean: about the last twenty batches of a task count."""


@dataclass
class TaskHistory:
    """What is known about one task. All of it is numbers that JSON keeps to the last bit.

    Attributes:
        first_loss: Loss of its first batch, by which later ones are normalised.
        smoothed_loss: Running mean of its losses.
        loss_sum: Sum of the losses of its epoch that is under way.
        loss_count: How many these are.
        epoch_losses: Mean losses of its last two epochs, the newest last.
        dev_score: Its latest main dev metric, where sampler or weighting follow it.
        learned: What the weighting learned about it, by name.
    """

    first_loss: float | None = None
    smoothed_loss: float | None = None
    loss_sum: float = 0.0
    loss_count: int = 0
    epoch_losses: list[float] = field(default_factory=list)
    dev_score: float | None = None
    learned: dict[str, float] = field(default_factory=dict)

    def note_loss(self, loss: float) -> None:
        """Take the loss of a batch in."""
        if self.first_loss is None:
            self.first_loss = loss
        self.smoothed_loss = smoothed(self.smoothed_loss, loss)
        self.loss_sum += loss
        self.loss_count += 1

    def end_epoch(self) -> None:
        """Take the mean loss of the epoch that has ended in, if any of its batches had one."""
        if self.loss_count:
            self.epoch_losses = [*self.epoch_losses, self.loss_sum / self.loss_count][-2:]
            self.loss_sum, self.loss_count = 0.0, 0

    def normalised(self, loss: float) -> float | None:
        """`loss` over the first one, which may be itself; None where that was nothing."""
        first = loss if self.first_loss is None else self.first_loss
        return loss / first if first else None


_RENAMED = {"figure": "dev_score"}
"""Name in format version 2 and earlier → name since version 3."""

History = dict[str, TaskHistory]
"""By task, in the order of the tasks."""


def smoothed(mean: float | None, value: float) -> float:
    """The running mean with `value` in it."""
    return value if mean is None else mean + SMOOTHING * (value - mean)


def history_from_saved(saved: Mapping[str, Mapping[str, Any]]) -> History:
    """What `dataclasses.asdict` made of it, in this version of the format or an earlier one."""
    return {
        name: TaskHistory(**{_RENAMED.get(key, key): value for key, value in own.items()})
        for name, own in saved.items()
    }
