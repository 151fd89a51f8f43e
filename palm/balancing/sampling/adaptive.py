"""Samples tasks by how much they still have to learn, according to losses or dev metrics."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from palm.balancing.history import History, TaskHistory
from palm.balancing.sampling.base import SAMPLERS, Sampler, SamplerFields, TaskMixture, sampled
from palm.schema.fields import Float
from palm.schema.settings import lower


class AdaptiveFields(SamplerFields):
    """Keys of the sampler `adaptive`."""

    sampling_by: Annotated[Literal["loss", "metric"], BeforeValidator(lower)] = Field(
        "loss",
        description="`sampling: adaptive`: probabilities proportional to mix_ratio times the running mean loss "
        "divided by the first one (`loss`), or times 1 minus the task's main metric in the last evaluation on "
        "dev_file (`metric`).",
    )
    sampling_floor: Float = Field(
        0.25,
        gt=0,
        le=1,
        description="`sampling: adaptive`: fraction of its probability by mix_ratio that a task always keeps.",
    )

    def dev_metric_key(self) -> str | None:
        """The key by which the sampler follows the dev metrics of all tasks, if set."""
        return "sampling_by" if self.sampling_by == "metric" else None


@final
@SAMPLERS.register("adaptive")
class AdaptiveSampler(Sampler):
    """Probabilities proportional to mix ratio times need, with a floor that only depends on the mix ratio.

    The need is the running mean loss over the first loss (`sampling_by: loss`; arXiv:1711.02257, section 3.2, calls it
    the inverse training rate), or 1 minus the dev metric (`metric`), as in Gottumukkala et al., Dynamic
    Sampling Strategies for Multi-Task Reading Comprehension, ACL 2020 (doi:10.18653/v1/2020.acl-main.86), which uses
    the metric of a single-task run instead of 1.

    An epoch of the run has as many steps as the files have batches (times mix_ratio), whatever the probabilities.
    """

    Config: ClassVar[type[AdaptiveFields]] = AdaptiveFields
    config: AdaptiveFields
    adapts: ClassVar[bool] = True

    def __init__(
        self, config: AdaptiveFields, mixture: TaskMixture, probabilities: Sequence[float] | None = None
    ) -> None:
        super().__init__(config, mixture)
        ratios = np.asarray(mixture.mix_ratios, np.float64)
        self._base = ratios / ratios.sum()
        self._probabilities = self._base if probabilities is None else np.asarray(probabilities, np.float64)

    @property
    def epoch_steps(self) -> tuple[float, ...]:
        """Steps of each task in one epoch of the run; only their sum is exact."""
        return tuple(float(steps) for steps in self.mixture.sizes)

    def task_at(self, step: int) -> int:
        """Index of the task that global step `step` (counted from 1) trains."""
        return sampled(self._probabilities, seed=self.mixture.seed, step=step)

    def with_probabilities(self, probabilities: Sequence[float] | None) -> "AdaptiveSampler":
        """The sampler with `probabilities`; with those of the mix ratios if None."""
        return self if probabilities is None else AdaptiveSampler(self.config, self.mixture, probabilities)

    def probabilities(self, history: History) -> list[float]:
        """Probabilities of the tasks according to their history."""
        needs: NDArray[np.float64] = np.array([self._need(known) for known in history.values()], np.float64)
        wanted = self._base * needs
        if not wanted.sum():
            return [float(share) for share in self._base]
        floor = self.config.sampling_floor
        return [float(share) for share in floor * self._base + (1.0 - floor) * wanted / wanted.sum()]

    def _need(self, known: TaskHistory) -> float:
        """How much is left to learn; 1 without history."""
        if self.config.sampling_by == "metric":
            return 1.0 if known.dev_score is None else 1.0 - min(1.0, max(0.0, known.dev_score))
        left = None if known.smoothed_loss is None else known.normalised(known.smoothed_loss)
        return 1.0 if left is None else min(2.0, max(0.0, left))
