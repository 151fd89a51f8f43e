"""Dynamic weight average: more weight for tasks whose losses decrease slowly."""

import math
from collections.abc import Sequence
from typing import ClassVar, final

from palm.balancing.history import History
from palm.balancing.weighting.base import WEIGHTINGS, Weighting

TEMPERATURE = 2.0  # section 4.2 of the paper
EPOCHS_COMPARED = 2


@final
@WEIGHTINGS.register("dwa")
class DynamicWeightAverage(Weighting):
    """Factors `K * softmax(r / 2)`, where r is a task's mean loss of its last epoch divided by that of the one before.

    Before the end of a task's second epoch r is 1. Source: arXiv:1803.10704, equation 7.
    """

    epochs_before_effect: ClassVar[int] = EPOCHS_COMPARED

    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss, in addition to `loss_weight`."""
        powers = {name: math.exp(_rate(known.epoch_losses) / TEMPERATURE) for name, known in history.items()}
        return {name: len(powers) * power / sum(powers.values()) for name, power in powers.items()}


def _rate(means: Sequence[float]) -> float:
    """New mean loss divided by the old one, at most 10; 1 if there is none yet."""
    if len(means) < EPOCHS_COMPARED or means[-2] <= 0:
        return 1.0
    return min(10.0, means[-1] / means[-2])
