"""The interface of samplers: a pure function from the step to the task that it trains."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from palm.balancing.history import History
from palm.randomness import philox
from palm.registry import Registry
from palm.schema.facts import KeyFacts
from palm.schema.fields import Schema


class SamplerFields(Schema):
    """Keys of all samplers: none."""

    key_facts = KeyFacts(scope="stage")

    def dev_metric_key(self) -> str | None:
        """The key by which the sampler follows the dev metrics of all tasks; None if it does not."""
        return None


@dataclass(frozen=True)
class TaskMixture:
    """The facts about a run for its sampler.

    Attributes:
        mix_ratios: Sampling weight of each task, in the order of the tasks.
        batches: Training batches of one pass over each task's file.
        seed: The run's seed.
        num_epochs: The key `num_epochs`.
        max_steps: The key `max_steps`.
    """

    mix_ratios: Sequence[float]
    batches: Sequence[int]
    seed: int
    num_epochs: float = 1.0
    max_steps: int | None = None

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Batches of each task times its mix ratio: float64[task]."""
        return np.asarray(self.mix_ratios, np.float64) * np.asarray(self.batches, np.float64)


class Sampler(ABC):
    """Chooses the task of each step. Concrete samplers are final and stateless, so that resume is exact.

    Args:
        config: An instance of the class's `Config`.
        mixture: The tasks to choose from.
    """

    Config: ClassVar[type[SamplerFields]] = SamplerFields
    adapts: ClassVar[bool] = False
    """Whether its probabilities depend on the history, so that the steps of a task are not known beforehand."""

    def __init__(self, config: SamplerFields, mixture: TaskMixture) -> None:
        self.config = config
        self.mixture = mixture

    @property
    def epoch_steps(self) -> Sequence[float] | None:
        """Steps of each task in one epoch of the run.

        None if determined by the mix ratios and the main task: `mix_ratio * steps_per_epoch(main task)`.
        """
        return None

    @abstractmethod
    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""

    def tasks_at(self, step: int) -> tuple[int, ...]:
        """Indices of all tasks that global step `step` trains: one, except in joint steps."""
        return (self.task_at(step),)

    def probabilities(self, history: History) -> list[float] | None:
        """Probabilities of the tasks according to their history; None if independent of it."""
        del history
        return None

    def with_probabilities(self, probabilities: Sequence[float] | None) -> "Sampler":
        """The sampler with `probabilities`, an earlier result of that method."""
        del probabilities
        return self


def sampled(weights: NDArray[np.float64], *, seed: int, step: int) -> int:
    """Index sampled with a probability of `weights / sum(weights)`, a pure function of seed and step."""
    bounds = np.cumsum(weights) / np.sum(weights)
    return int(np.searchsorted(bounds, philox(seed, "task draw", step).random(), side="right"))


SAMPLERS: Registry[type[Sampler]] = Registry("sampler")
"""By name, for the key `sampling`."""
