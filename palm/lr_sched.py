"""Learning-rate schedules of the Python API, under PALM 2's spelling and the usual one.

schedule = palm.lr_sched.TriangularSchedualer(warmup_steps=100, num_train_steps=1000)
"""

from typing import Protocol, final

from palm.engine.schedule import constant, linear
from palm.errors import ConfigError, Problem

__all__ = ["Schedule", "TriangularSchedualer", "TriangularScheduler", "WarmupSchedualer", "WarmupScheduler"]


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
        return linear(step, self.warmup_steps, self.num_train_steps)


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
        return constant(step, self.warmup_steps, step)


TriangularSchedualer = TriangularScheduler
"""PALM 2's spelling."""

WarmupSchedualer = WarmupScheduler
"""PALM 2's spelling."""
