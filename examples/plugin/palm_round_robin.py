"""The sampler `round_robin`: the tasks in turns, a few steps of each."""

from typing import final

from pydantic import Field

from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerFields
from palm.schema.fields import Int


class RoundRobinFields(SamplerFields):
    """Keys of `round_robin`."""

    steps_per_turn: Int = Field(1, ge=1, description="Steps of a task in a row.")


@final
@SAMPLERS.register("round_robin")
class RoundRobinSampler(Sampler):
    """Task 0 for `steps_per_turn` steps, then task 1, and so on, and from the beginning again."""

    Config = RoundRobinFields

    @property
    def epoch_steps(self) -> list[float]:
        """As many steps of each task as the largest one has batches."""
        return [float(max(self.mixture.batches))] * len(self.mixture.batches)

    def task_at(self, step: int) -> int:
        """Index of the task of a step, counted from 1."""
        return (step - 1) // self.config.steps_per_turn % len(self.mixture.batches)
