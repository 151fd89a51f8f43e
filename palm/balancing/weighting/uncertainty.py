"""Uncertainty weighting: a log variance a task, learned, by which the task's loss counts less the noisier it is."""

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
    """Factors `exp(-s)` for likelihoods and `exp(-s) / 2` for squared errors, with s = log σ² learned from 0 on.

    s falls and rises so that `factor * loss + s / 2` becomes least: the factor tends to 1 / (2 loss). It has an Adam of
    its own, whose learning rate is not the encoder's, and is no part of the clipped norm.

    Source: arXiv:1705.07115, equations 5 (squared errors) and 10 (likelihoods).
    """

    Config: ClassVar[type[LearnedFields]] = LearnedFields
    config: LearnedFields
    for_one_task: ClassVar[bool] = True  # which learns its one factor, too

    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss, beside its `loss_weight`."""
        return {name: self._factor(name, known.learned.get(LOG_VARIANCE, 0.0)) for name, known in history.items()}

    def learn(self, history: History, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Move the log variances of the tasks that the step trained."""
        del norms
        for name, loss in losses.items():
            learned = history[name].learned
            variance = learned.setdefault(LOG_VARIANCE, 0.0)
            gradient = 0.5 - self._factor(name, variance) * loss
            adam_step(learned, LOG_VARIANCE, gradient, rate=self.config.weighting_learning_rate)

    def _factor(self, name: str, variance: float) -> float:
        scale = 0.5 if name in self.losses.squared_errors else 1.0
        return scale * math.exp(min(-variance, _LARGEST_POWER))
