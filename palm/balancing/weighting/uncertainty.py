"""Uncertainty weighting: a learned log variance per task, which reduces the weight of noisy tasks."""

import math
from collections.abc import Mapping
from typing import ClassVar, final

from palm.balancing.history import History
from palm.balancing.weighting.adam import adam_step
from palm.balancing.weighting.base import WEIGHTINGS, LearnedFields, Weighting

LOG_VARIANCE = "log_variance"
_LARGEST_POWER = 80.0  # of e, nearly the largest factor that float32 holds


@final
@WEIGHTINGS.register("uncertainty")
class Uncertainty(Weighting):
    """Factors `exp(-s)` for likelihoods and `exp(-s) / 2` for squared errors, with a learned s = log σ², initially 0.

    s minimizes `factor * loss + s / 2`, so that the factor tends to 1 / (2 loss). It has its own Adam optimizer and
    learning rate, and is not part of gradient clipping.

    Source: arXiv:1705.07115, equations 5 (squared errors) and 10 (likelihoods).
    """

    Config: ClassVar[type[LearnedFields]] = LearnedFields
    config: LearnedFields
    for_one_task: ClassVar[bool] = True  # the factor of a single task is also learned

    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss, in addition to `loss_weight`."""
        return {name: self._factor(name, known.learned.get(LOG_VARIANCE, 0.0)) for name, known in history.items()}

    def learn(self, history: History, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Update the log variances of the tasks that the step trained."""
        del norms
        for name, loss in losses.items():
            learned = history[name].learned
            variance = learned.setdefault(LOG_VARIANCE, 0.0)
            gradient = 0.5 - self._factor(name, variance) * loss
            adam_step(learned, LOG_VARIANCE, gradient, rate=self.config.weighting_learning_rate)

    def _factor(self, name: str, variance: float) -> float:
        scale = 0.5 if name in self.losses.squared_errors else 1.0
        return scale * math.exp(min(-variance, _LARGEST_POWER))
