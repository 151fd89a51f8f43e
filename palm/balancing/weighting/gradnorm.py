"""GradNorm: factors that balance the tasks' gradient norms on the last shared layer by their progress."""

import math
from collections.abc import Mapping
from typing import ClassVar, final

from pydantic import Field

from palm.balancing.history import History, smoothed
from palm.balancing.weighting.adam import adam_step
from palm.balancing.weighting.base import WEIGHTINGS, LearnedFields, Weighting
from palm.schema.fields import Float

WEIGHT, NORM, LOSS = "weight", "norm", "loss"
LEAST = 0.01
"""Lower limit of the factors; the paper's could become negative."""


class GradNormFields(LearnedFields):
    """Keys of the weighting `gradnorm`."""

    gradnorm_alpha: Float = Field(
        1.5,
        ge=0,
        le=100,
        description="`weighting: gradnorm`: how strongly slower tasks are preferred; 0 is not at all.",
    )


@final
@WEIGHTINGS.register("gradnorm")
class GradNorm(Weighting):
    """Factors w, initially 1, learned to minimize `|w g - mean(w g) * r ** alpha|`; their mean stays 1.

    g is the norm of a task's gradient on the last layer that all tasks share; r is its loss divided by its first one,
    relative to the mean over the tasks. In joint steps g and the losses are those of the step, as in the paper. In
    alternating steps, which see one task at a time, they are running means, and only that task's factor is updated.

    Source: arXiv:1711.02257, equation 2 and algorithm 1.
    """

    Config: ClassVar[type[GradNormFields]] = GradNormFields
    config: GradNormFields
    needs_norms: ClassVar[bool] = True

    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss, in addition to `loss_weight`."""
        return {name: known.learned.get(WEIGHT, 1.0) for name, known in history.items()}

    def learn(self, history: History, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Update the factors of the tasks that the step trained."""
        alone = len(losses) == 1
        for name, norm in norms.items():
            learned, loss = history[name].learned, losses[name]
            learned[NORM] = smoothed(learned.get(NORM), norm) if alone else norm
            learned[LOSS] = smoothed(learned.get(LOSS), loss) if alone else loss
        known = [name for name, own in history.items() if NORM in own.learned]
        if len(known) < 2:
            return
        pulls = {name: history[name].learned.setdefault(WEIGHT, 1.0) * history[name].learned[NORM] for name in known}
        targets = _target_norms(history, pulls, self.config.gradnorm_alpha)
        for name in norms:
            own = history[name].learned
            gradient = math.copysign(own[NORM], pulls[name] - targets[name]) if pulls[name] != targets[name] else 0.0
            adam_step(own, WEIGHT, gradient, rate=self.config.weighting_learning_rate)
            own[WEIGHT] = max(LEAST, own[WEIGHT])
        for name, weight in _of_mean_one({name: history[name].learned[WEIGHT] for name in known}).items():
            history[name].learned[WEIGHT] = weight


def _of_mean_one(weights: Mapping[str, float]) -> dict[str, float]:
    """The positive weights, scaled to a mean of 1, with the lower limit."""
    least: dict[str, float] = {}
    while True:
        free = {name: weight for name, weight in weights.items() if name not in least}
        scale = (len(weights) - LEAST * len(least)) / math.fsum(free.values())
        fallen = [name for name, weight in free.items() if weight * scale < LEAST]
        if not fallen:
            return {name: least.get(name, weight * scale) for name, weight in weights.items()}
        least |= dict.fromkeys(fallen, LEAST)


def _target_norms(history: History, pulls: Mapping[str, float], alpha: float) -> dict[str, float]:
    """The target norm of each task: the mean norm times its relative inverse training rate to the power alpha."""
    left = {name: history[name].normalised(history[name].learned[LOSS]) for name in pulls}
    rates = {name: 1.0 if rate is None else max(0.0, rate) for name, rate in left.items()}
    mean_rate, mean_pull = (math.fsum(values.values()) / len(values) for values in (rates, pulls))
    return {name: mean_pull * (rate / mean_rate if mean_rate else 1.0) ** alpha for name, rate in rates.items()}
