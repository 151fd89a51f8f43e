"""Samples by the size of the training files: proportional, smoothed by a temperature, or smoothed gradually."""

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerFields, TaskMixture, sampled
from palm.schema.fields import Float, Int


class SizeFields(SamplerFields):
    """Keys of every sampler by size."""

    sampling_cap: Int | None = Field(
        None,
        ge=1,
        description="Sampling by size: largest number of batches that count for a task, so that a huge task does not "
        "dominate.",
    )


class TemperatureFields(SizeFields):
    """Keys of the sampler `temperature`."""

    sampling_temperature: Float = Field(
        2.0,
        gt=0,
        description="`sampling: temperature`: probabilities proportional to size ** (1 / temperature); 1 is "
        "proportional.",
    )


class _BySize(Sampler):
    """Independent samples, each with weights that are a power of the tasks' sizes.

    An epoch of the run has as many steps as the (capped) files have batches.
    """

    Config: ClassVar[type[SizeFields]] = SizeFields

    def __init__(self, config: SizeFields, mixture: TaskMixture) -> None:
        super().__init__(config, mixture)
        self._sizes = np.minimum(mixture.sizes, np.inf if config.sampling_cap is None else config.sampling_cap)

    def _sampled(self, weights: NDArray[np.float64], step: int) -> int:
        return sampled(weights, seed=self.mixture.seed, step=step)

    def _weights(self, power: float) -> NDArray[np.float64]:
        """Probabilities of the tasks, float64[task]; 0 for a task without size, whatever the power."""
        sizes = np.where(self._sizes > 0, self._sizes, 1.0)
        with np.errstate(over="ignore"):
            weights = sizes**power * (self._sizes > 0)
        if not np.isfinite(weights.sum()):  # a temperature near 0: only the largest task
            weights = (sizes / self._sizes.max()) ** power * (self._sizes > 0)
        return np.asarray(weights / weights.sum(), np.float64)

    def _epoch(self, probabilities: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(float(steps) for steps in probabilities * self._sizes.sum())


@final
@SAMPLERS.register("proportional")
class ProportionalSampler(_BySize):
    """Probabilities proportional to a task's batches (times mix_ratio). Source: arXiv:1910.10683, section 3.5.2."""

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run."""
        return self._epoch(self._weights(1.0))

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        return self._sampled(self._weights(1.0), step)


@final
@SAMPLERS.register("temperature")
class TemperatureSampler(_BySize):
    """Probabilities proportional to `min(size, cap) ** (1 / temperature)`. Source: arXiv:1910.10683, section 3.5.2."""

    Config: ClassVar[type[TemperatureFields]] = TemperatureFields

    def __init__(self, config: TemperatureFields, mixture: TaskMixture) -> None:
        super().__init__(config, mixture)
        self._probabilities = self._weights(1.0 / config.sampling_temperature)

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run."""
        return self._epoch(self._probabilities)

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        return self._sampled(self._probabilities, step)


@final
@SAMPLERS.register("annealed")
class AnnealedSampler(_BySize):
    """Probabilities proportional to `size ** power`; the power decreases from 1 at the first step to 0.2 at the last.

    Source: arXiv:1902.02671, section 4.1, with steps instead of epochs.
    """

    def __init__(self, config: SizeFields, mixture: TaskMixture) -> None:
        super().__init__(config, mixture)
        steps = max(2, int(mixture.num_epochs * self._sizes.sum()))
        self._last = max(2, steps if mixture.max_steps is None else min(steps, mixture.max_steps))

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run: the mean over its course."""
        course = [self._weights(power) for power in np.linspace(1.0, 0.2, 101)]
        return self._epoch(np.mean(course, axis=0))

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        done = min(1.0, (step - 1) / (self._last - 1))
        return self._sampled(self._weights(1.0 - 0.8 * done), step)
