"""Draws by what the tasks still have to learn: by their losses, or by their dev figures."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from palm.balancing.history import History, TaskHistory
from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerConfig, drawn


@final
@SAMPLERS.register("adaptive")
class AdaptiveSampler(Sampler):
    """A task's share goes with its mix ratio times its need; a part of it, the floor, is its mix ratio's alone.

    The need is the running mean loss over the first loss (`sampling_by: loss`; arXiv:1711.02257, section 3.2, calls it
    the inverse training rate), or what the dev figure lacks to 1 (`metric`), as in Gottumukkala et al., Dynamic
    Sampling Strategies for Multi-Task Reading Comprehension, ACL 2020 (doi:10.18653/v1/2020.acl-main.86), which takes
    the figure of a single-task run in place of 1.

    An epoch of the run has as many steps as the files have batches (times mix_ratio), whatever the shares become.
    """

    adapts: ClassVar[bool] = True

    def __init__(self, mix: SamplerConfig, probabilities: Sequence[float] | None = None) -> None:
        super().__init__(mix.mix_ratios, seed=mix.seed)
        self._mix = mix
        ratios = np.asarray(mix.mix_ratios, np.float64)
        self._base = ratios / ratios.sum()
        self._probabilities = self._base if probabilities is None else np.asarray(probabilities, np.float64)

    @classmethod
    def from_mix(cls, mix: SamplerConfig) -> "AdaptiveSampler":
        """The sampler that the configuration asks for."""
        return cls(mix)

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run, as far as they add up to its length."""
        return tuple(float(steps) for steps in self._mix.sizes)

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        return drawn(self._probabilities, seed=self.seed, step=step)

    def with_probabilities(self, probabilities: Sequence[float] | None) -> "AdaptiveSampler":
        """The sampler that draws with `shares`; with the mix ratios where there are none yet."""
        return self if probabilities is None else AdaptiveSampler(self._mix, probabilities)

    def probabilities(self, history: History) -> list[float]:
        """Shares of the tasks by what is known about them."""
        needs: NDArray[np.float64] = np.array([self._need(known) for known in history.values()], np.float64)
        wanted = self._base * needs
        if not wanted.sum():
            return [float(share) for share in self._base]
        floor = self._mix.floor
        return [float(share) for share in floor * self._base + (1.0 - floor) * wanted / wanted.sum()]

    def _need(self, known: TaskHistory) -> float:
        """What is left to learn, 1 before anything is known."""
        if self._mix.by == "metric":
            return 1.0 if known.dev_score is None else 1.0 - min(1.0, max(0.0, known.dev_score))
        left = None if known.smoothed_loss is None else known.normalised(known.smoothed_loss)
        return 1.0 if left is None else min(2.0, max(0.0, left))
