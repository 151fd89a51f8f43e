"""The weighting of PaddlePALM: `loss_weight` and nothing else."""

from typing import ClassVar, final

from palm.balancing.history import History
from palm.balancing.weighting.base import WEIGHTINGS, Weighting


@final
@WEIGHTINGS.register("fixed")
class FixedWeighting(Weighting):
    """Every factor is 1."""

    needs_history: ClassVar[bool] = False
    for_one_task: ClassVar[bool] = True  # the default, which says nothing about other tasks

    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss, beside its `loss_weight`."""
        return dict.fromkeys(history, 1.0)
