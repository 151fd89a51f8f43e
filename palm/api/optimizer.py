"""The optimizer and the learning-rate schedules of the Python API, under PALM 2's spelling and the usual one.

schedule = palm.lr_sched.TriangularSchedualer(warmup_steps=100, num_train_steps=1000)
adam = palm.optimizer.Adam(loss, 5e-5, schedule)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, final

from palm.engine.optim.schedules import linear_decay, warmup
from palm.errors import ConfigError, Problem
from palm.registry import wrong_object

__all__ = [
    "Adam",
    "Loss",
    "Schedule",
    "TriangularSchedualer",
    "TriangularScheduler",
    "WarmupSchedualer",
    "WarmupScheduler",
]


class Schedule(Protocol):
    """What the optimizer asks: any function of the step will do."""

    def __call__(self, step: int) -> float:
        """Factor of the learning rate for global step `step`, counted from 1."""


@final
class TriangularScheduler:
    """Linear warm-up to the full rate, then linear decay that reaches 0 just after the last step.

    Args:
        warmup_steps: Steps until the full rate is reached.
        num_train_steps: Steps of the whole run.
    """

    def __init__(self, warmup_steps: float, num_train_steps: float) -> None:
        if not 0 <= warmup_steps <= num_train_steps:
            rule = "warmup_steps lies between 0 and num_train_steps."
            raise ConfigError(Problem("palm.lr_sched", f"{rule} Found {warmup_steps} and {num_train_steps}."))
        self.warmup_steps, self.num_train_steps = int(warmup_steps), int(num_train_steps)

    def __call__(self, step: int) -> float:
        """Factor of the learning rate for global step `step`, counted from 1."""
        return linear_decay(step, self.warmup_steps, self.num_train_steps)


@final
class WarmupScheduler:
    """Linear warm-up to the full rate, which then stays.

    Args:
        warmup_steps: Steps until the full rate is reached.
    """

    def __init__(self, warmup_steps: float) -> None:
        if warmup_steps < 0:
            raise ConfigError(Problem("palm.lr_sched", f"warmup_steps is 0 or more. Found {warmup_steps}."))
        self.warmup_steps = int(warmup_steps)

    def __call__(self, step: int) -> float:
        """Factor of the learning rate for global step `step`, counted from 1."""
        return warmup(step, self.warmup_steps)


TriangularSchedualer = TriangularScheduler
"""PALM 2's spelling."""

WarmupSchedualer = WarmupScheduler
"""PALM 2's spelling."""


@dataclass(frozen=True)
class Loss:
    """What `build_forward` gives: the loss of these tasks.

    Attributes:
        tasks: Names of the tasks.
    """

    tasks: tuple[str, ...]


@final
@dataclass
class Adam:
    """Adam; weight decay, which `build_backward` sets, is decoupled from the gradient.

    Attributes:
        loss_var: What `build_forward` gave.
        lr: Highest learning rate.
        lr_schedualer: Its factor at each global step; always 1 when None.
    """

    loss_var: object
    lr: float
    lr_schedualer: Schedule | None = None
    _current: Callable[[], float] | None = field(default=None, init=False, repr=False, compare=False)

    def get_cur_learning_rate(self) -> float:
        """The learning rate of the last step; before the first, that of the first."""
        if self._current is not None:
            return self._current()
        return self.lr * (self.lr_schedualer(1) if self.lr_schedualer else 1.0)

    def follow(self, current: Callable[[], float]) -> None:
        """Have `get_cur_learning_rate` ask `current`, which the trainer that takes the optimizer knows."""
        self._current = current

    def __post_init__(self) -> None:
        if not isinstance(self.loss_var, Loss):
            rule = "loss_var is what build_forward gave."
            raise ConfigError(Problem("palm.optimizer.Adam", f"{rule} Found {self.loss_var!r}."))
        if self.lr_schedualer is not None and not callable(self.lr_schedualer):
            raise wrong_object("palm.optimizer.Adam", "a schedule", "schedule", self.lr_schedualer)
        if not self.lr > 0:
            raise ConfigError(Problem("palm.optimizer.Adam", f"lr is above 0. Found {self.lr}."))


@dataclass(frozen=True)
class Backward:
    """What `build_backward` was given."""

    optimizer: Adam
    weight_decay: float
    use_ema: bool
    ema_decay: float
