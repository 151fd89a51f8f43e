"""Every row of every task once per epoch: the batches of all tasks in one shuffled list."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerFields, TaskMixture
from palm.randomness import philox


@final
@SAMPLERS.register("exact")
class ExactSampler(Sampler):
    """Each epoch of the mix is a permutation, by `(seed, epoch)`, of `mix_ratio * batches` steps of each task.

    Source: algorithm 1 of MT-DNN (arXiv:1901.11504), which shuffles the mini-batches of all tasks together.
    """

    def __init__(self, config: SamplerFields, mixture: TaskMixture) -> None:
        super().__init__(config, mixture)
        counts = np.maximum(np.rint(mixture.sizes), mixture.sizes > 0).astype(np.int64)
        self._counts = tuple(int(count) for count in counts)
        self._latest: tuple[int, NDArray[np.int64]] | None = None

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run."""
        return self._counts

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        epoch, position = divmod(step - 1, sum(self._counts))
        latest = self._latest
        if latest is None or latest[0] != epoch:
            order = np.repeat(np.arange(len(self._counts)), self._counts)
            latest = self._latest = epoch, philox(self.mixture.seed, "task order", epoch).permutation(order)
        return int(latest[1][position])
