"""Samplers independent of sizes: one task per step by the mix ratios, or every task in each step of `mode: joint`."""

from typing import final

import numpy as np

from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerFields, TaskMixture
from palm.randomness import philox


@final
class EveryTaskSampler(Sampler):
    """Selects every task with a mix ratio above 0 in each step; its value has no other effect.

    It is not registered for the key `sampling`, which selects one task per step.

    Args:
        mixture: The tasks; a mix ratio of 0 excludes one.
        steps_per_epoch: Batches of one pass over the main task's file.
    """

    def __init__(self, mixture: TaskMixture, *, steps_per_epoch: int) -> None:
        super().__init__(SamplerFields(), mixture)
        self._active = tuple(index for index, ratio in enumerate(mixture.mix_ratios) if ratio > 0)
        self._steps_per_epoch = steps_per_epoch

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """As many steps for each task as the main task has batches."""
        return tuple(float(self._steps_per_epoch) if ratio > 0 else 0.0 for ratio in self.mixture.mix_ratios)

    def task_at(self, step: int) -> int:
        """Index of the first task that global step `step` trains."""
        del step
        return self._active[0]

    def tasks_at(self, step: int) -> tuple[int, ...]:
        """Indices of all tasks that global step `step` trains."""
        del step
        return self._active


@final
@SAMPLERS.register("mix_ratio")
class MixRatioSampler(Sampler):
    """Independent samples, each a pure function of `(seed, step)`."""

    def __init__(self, config: SamplerFields, mixture: TaskMixture) -> None:
        super().__init__(config, mixture)
        self._upper_bounds = np.cumsum(mixture.mix_ratios) / sum(mixture.mix_ratios)

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        position = philox(self.mixture.seed, "task draw", step).random()
        return int(np.searchsorted(self._upper_bounds, position, side="right"))
