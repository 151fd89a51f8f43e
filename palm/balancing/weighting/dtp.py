"""Dynamic task prioritisation: more weight for difficult tasks."""

import math
from typing import Annotated, ClassVar, Literal, final

from pydantic import BeforeValidator, Field

from palm.balancing.history import History, TaskHistory
from palm.balancing.weighting.base import WEIGHTINGS, Weighting, WeightingFields
from palm.schema.fields import Float
from palm.schema.settings import lower

LOWEST = 0.01
"""Lower limit of the performance, so that factors are bounded."""


class PrioritizationFields(WeightingFields):
    """Keys of the weighting `dtp`."""

    weighting_by: Annotated[Literal["loss", "metric"], BeforeValidator(lower)] = Field(
        "loss",
        description="`weighting: dtp`: performance of a task: `loss` (exp of minus its running mean loss) or `metric` "
        "(its main metric in the last evaluation on dev_file).",
    )
    dtp_gamma: Float = Field(
        1.0, ge=0, description="`weighting: dtp`: how strongly difficult tasks are preferred; 0 is the weakest."
    )

    def dev_metric_key(self) -> str | None:
        """The key by which the weighting follows the dev metrics of all tasks, if set."""
        return "weighting_by" if self.weighting_by == "metric" else None


@final
@WEIGHTINGS.register("dtp")
class DynamicTaskPrioritization(Weighting):
    """Factors `-(1 - k) ** gamma * log(k)`, a focal loss of the task's performance k, scaled to a mean of 1.

    k is the task's dev metric (`weighting_by: metric`), or exp of minus its running mean loss: the likelihood of the
    gold labels. The paper does not scale, so that its weights vanish as all tasks converge.

    Source: Guo et al., Dynamic Task Prioritization for Multitask Learning, ECCV 2018, equations 1 to 4
    (doi:10.1007/978-3-030-01270-0_17; not on arXiv).
    """

    Config: ClassVar[type[PrioritizationFields]] = PrioritizationFields
    config: PrioritizationFields

    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss, in addition to `loss_weight`; 1 while its performance is unknown."""
        known = {name: self._performance(own) for name, own in history.items()}
        focal = {name: focal_loss(value, self.config.dtp_gamma) for name, value in known.items() if value is not None}
        mean = math.fsum(focal.values()) / max(1, len(focal))
        return {name: focal[name] / mean if mean and name in focal else 1.0 for name in history}

    def _performance(self, known: TaskHistory) -> float | None:
        if self.config.weighting_by == "metric":
            return known.dev_score
        return None if known.smoothed_loss is None else math.exp(-known.smoothed_loss)


def focal_loss(performance: float, gamma: float) -> float:
    """The paper's equation 3 for a performance between 0 and 1."""
    performance = min(1.0, max(LOWEST, performance))
    return -math.pow(1.0 - performance, gamma) * math.log(performance)
