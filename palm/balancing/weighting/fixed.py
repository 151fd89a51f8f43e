"""The weighting of PaddlePALM: only `loss_weight`."""

from typing import ClassVar, final

from palm.balancing.history import History
from palm.balancing.weighting.base import WEIGHTINGS, Weighting


@final
@WEIGHTINGS.register("fixed")
class FixedWeighting(Weighting):
    """Every factor is 1."""

    needs_history: ClassVar[bool] = False
    for_one_task: ClassVar[bool] = True  # the default, which is independent of other tasks

    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss, in addition to `loss_weight`."""
        return dict.fromkeys(history, 1.0)
