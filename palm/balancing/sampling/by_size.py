"""Draws by the size of the training files: proportional, flattened by a temperature, or flattened step by step."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerConfig, drawn


class _BySize(Sampler):
    """Independent draws, each with weights that are a power of the tasks' sizes.

    An epoch of the run has as many steps as the (capped) files have batches.
    """

    def __init__(self, mix: SamplerConfig) -> None:
        super().__init__(mix.mix_ratios, seed=mix.seed)
        self._sizes = np.minimum(mix.sizes, np.inf if mix.cap is None else mix.cap)

    def _weights(self, power: float) -> NDArray[np.float64]:
        """Shares of the tasks, float64[task]; a task without size has none, whatever the power."""
        sizes = np.where(self._sizes > 0, self._sizes, 1.0)
        with np.errstate(over="ignore"):
            weights = sizes**power * (self._sizes > 0)
        if not np.isfinite(weights.sum()):  # a temperature near 0: the largest task is all there is
            weights = (sizes / self._sizes.max()) ** power * (self._sizes > 0)
        return np.asarray(weights / weights.sum(), np.float64)

    def _epoch(self, probabilities: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(float(steps) for steps in probabilities * self._sizes.sum())


@final
@SAMPLERS.register("proportional")
class ProportionalSampler(_BySize):
    """A task's share is that of its batches (times mix_ratio). Source: arXiv:1910.10683, section 3.5.2."""

    @classmethod
    def from_mix(cls, mix: SamplerConfig) -> "ProportionalSampler":
        """The sampler that the configuration asks for."""
        return cls(mix)

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run."""
        return self._epoch(self._weights(1.0))

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        return drawn(self._weights(1.0), seed=self.seed, step=step)


@final
@SAMPLERS.register("temperature")
class TemperatureSampler(_BySize):
    """A task's share goes with `min(size, cap) ** (1 / temperature)`. Source: arXiv:1910.10683, section 3.5.2."""

    def __init__(self, mix: SamplerConfig) -> None:
        super().__init__(mix)
        self._probabilities = self._weights(1.0 / mix.temperature)

    @classmethod
    def from_mix(cls, mix: SamplerConfig) -> "TemperatureSampler":
        """The sampler that the configuration asks for."""
        return cls(mix)

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run."""
        return self._epoch(self._probabilities)

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        return drawn(self._probabilities, seed=self.seed, step=step)


@final
@SAMPLERS.register("annealed")
class AnnealedSampler(_BySize):
    """Shares go with `size ** power`, and the power falls from 1 at the first step to 0.2 at the last.

    Source: arXiv:1902.02671, section 4.1, with steps in place of epochs.
    """

    def __init__(self, mix: SamplerConfig) -> None:
        super().__init__(mix)
        steps = max(2, int(mix.num_epochs * self._sizes.sum()))
        self._last = max(2, steps if mix.max_steps is None else min(steps, mix.max_steps))

    @classmethod
    def from_mix(cls, mix: SamplerConfig) -> "AnnealedSampler":
        """The sampler that the configuration asks for."""
        return cls(mix)

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run: the mean over its course."""
        course = [self._weights(power) for power in np.linspace(1.0, 0.2, 101)]
        return self._epoch(np.mean(course, axis=0))

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        done = min(1.0, (step - 1) / (self._last - 1))
        return drawn(self._weights(1.0 - 0.8 * done), seed=self.seed, step=step)
