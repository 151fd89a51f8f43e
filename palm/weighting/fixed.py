"""The weighting of PaddlePALM: `loss_weight` and nothing else."""

from typing import final

from palm.weighting.base import WEIGHTINGS, EpochLosses, Weighting


@final
@WEIGHTINGS.register("fixed")
class FixedWeighting(Weighting):
    """Every factor is 1."""

    needs_history = False

    def factors(self, losses: EpochLosses) -> dict[str, float]:
        """The factor of each task's loss, beside its `loss_weight`."""
        return dict.fromkeys(losses, 1.0)
