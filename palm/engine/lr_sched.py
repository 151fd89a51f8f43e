"""Learning-rate schedules: the factor of the learning rate as a pure function of the step."""

from collections.abc import Callable

from palm.registry import Registry
from palm.schema.settings import TrainSettings

Schedule = Callable[[int, int, int], float]
"""`schedule(step, warmup_steps, total_steps)`: factor in 0..1 for `step`, counted from 1."""

LR_SCHEDULES: Registry[Schedule] = Registry("lr_scheduler")


def _warmup(step: int, warmup_steps: int) -> float:
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


@LR_SCHEDULES.register("linear")
def linear(step: int, warmup_steps: int, total_steps: int) -> float:
    """Linear warm-up to 1, then linear decay that reaches 0 just after the last step (BERT, arXiv:1810.04805, A.2)."""
    if step <= warmup_steps:
        return _warmup(step, warmup_steps)
    return max(0.0, (total_steps - step + 1) / max(1, total_steps - warmup_steps))


@LR_SCHEDULES.register("constant")
def constant(step: int, warmup_steps: int, total_steps: int) -> float:
    """Linear warm-up to 1, then 1."""
    return _warmup(step, warmup_steps)


def learning_rate_at(step: int, settings: TrainSettings, total_steps: int) -> float:
    """The learning rate of global step `step`, counted from 1."""
    warmup_steps = int(settings.warmup_proportion * total_steps)
    return settings.learning_rate * LR_SCHEDULES[settings.lr_scheduler](step, warmup_steps, total_steps)
