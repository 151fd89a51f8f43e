"""What every sampler is: a pure function from the step to the task that is trained in it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from palm.registry import Registry


class Sampler(ABC):
    """Draws the task of each step. Concrete samplers are final and hold no state, so that resume is exact.

    Args:
        mix_ratios: Sampling weight of each task, in the order of the tasks.
        seed: The run's seed.
    """

    def __init__(self, mix_ratios: Sequence[float], *, seed: int) -> None:
        self.mix_ratios = tuple(mix_ratios)
        self.seed = seed

    @abstractmethod
    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""


SAMPLERS: Registry[type[Sampler]] = Registry("sampler")
