"""The sampler of PaddlePALM: each step draws a task with probability mix_ratio / sum(mix_ratio)."""

from collections.abc import Sequence

import numpy as np

from palm.randomness import philox
from palm.sampling.base import SAMPLERS, Sampler


@SAMPLERS.register("mix_ratio")
class MixRatioSampler(Sampler):
    """Independent draws, each a pure function of `(seed, step)`."""

    def __init__(self, mix_ratios: Sequence[float], *, seed: int) -> None:
        super().__init__(mix_ratios, seed=seed)
        self._upper_bounds = np.cumsum(self.mix_ratios) / sum(self.mix_ratios)

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        draw = philox(self.seed, "task draw", step).random()
        return int(np.searchsorted(self._upper_bounds, draw, side="right"))
