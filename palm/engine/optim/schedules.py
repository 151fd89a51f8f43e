"""Schedules of the learning rate: its factor at each step of a run."""

import math
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, final

from pydantic import Field

from palm.registry import Registry
from palm.schema.facts import Key, KeyFacts
from palm.schema.fields import Float, Schema


class ScheduleFields(Schema):
    """Keys of all schedules: none."""

    key_facts = KeyFacts(scope="stage")


class WarmupFields(ScheduleFields):
    """Keys of all schedules with warm-up."""

    warmup_proportion: Annotated[Float, Key(with_tasks=0.06)] = Field(
        0.0, ge=0, lt=1, description="Fraction of the expected global steps for the warm-up."
    )

    def warmup_steps(self, total_steps: int) -> int:
        """Steps until the full rate is reached."""
        return int(self.warmup_proportion * total_steps)


class LearningRateSchedule(ABC):
    """Factor of `learning_rate` at each step, a pure function, so that resume is exact. Concrete schedules are final.

    Args:
        config: An instance of the class's `Config`.
    """

    Config: ClassVar[type[ScheduleFields]] = ScheduleFields

    def __init__(self, config: ScheduleFields) -> None:
        self.config = config

    @abstractmethod
    def factor(self, step: int, total_steps: int) -> float:
        """The factor at global step `step`, counted from 1, of a run that is expected to have `total_steps`."""


SCHEDULES: Registry[type[LearningRateSchedule]] = Registry("lr_scheduler", lower_case=True)
"""By name, for the key `lr_scheduler`, which is case-insensitive."""


def warmup(step: int, warmup_steps: int) -> float:
    """Linear warm-up to 1, then 1."""
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


def linear_decay(step: int, warmup_steps: int, total_steps: int) -> float:
    """Linear warm-up to 1, then linear decay that reaches 0 just after the last step (BERT, arXiv:1810.04805, A.2)."""
    if step <= warmup_steps:
        return warmup(step, warmup_steps)
    return max(0.0, (total_steps - step + 1) / max(1, total_steps - warmup_steps))


@final
@SCHEDULES.register("linear_warmup_decay")  # the name in the code of PaddlePALM
@SCHEDULES.register("linear")
class LinearDecay(LearningRateSchedule):
    """Linear warm-up, then linear decay that reaches 0 just after the last step."""

    Config: ClassVar[type[WarmupFields]] = WarmupFields
    config: WarmupFields

    def factor(self, step: int, total_steps: int) -> float:
        """The factor at global step `step`."""
        return linear_decay(step, self.config.warmup_steps(total_steps), total_steps)


@final
@SCHEDULES.register("constant")
class ConstantRate(LearningRateSchedule):
    """Linear warm-up, then the full rate."""

    Config: ClassVar[type[WarmupFields]] = WarmupFields
    config: WarmupFields

    def factor(self, step: int, total_steps: int) -> float:
        """The factor at global step `step`."""
        return warmup(step, self.config.warmup_steps(total_steps))


@final
@SCHEDULES.register("noam_decay")
class NoamDecay(LearningRateSchedule):
    """Linear warm-up, then decay with the inverse square root of the step; the full rate without warm-up.

    Source: arXiv:1706.03762, equation 3, scaled as in PaddlePALM so that the highest rate is `learning_rate`.
    """

    Config: ClassVar[type[WarmupFields]] = WarmupFields
    config: WarmupFields

    def factor(self, step: int, total_steps: int) -> float:
        """The factor at global step `step`."""
        warmup_steps = self.config.warmup_steps(total_steps)
        return min(step / warmup_steps, math.sqrt(warmup_steps / step)) if warmup_steps else 1.0
