"""What every weighting is: factors of the tasks' losses, from what the run has learned about the tasks so far."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from palm.balancing.history import History
from palm.registry import Registry


@dataclass(frozen=True)
class WeightingConfig:
    """What a weighting is made from.

    Attributes:
        learning_rate: The key `weighting_learning_rate`.
        by: The key `weighting_by`.
        gamma: The key `dtp_gamma`.
        alpha: The key `gradnorm_alpha`.
        squared_errors: Tasks whose loss is a squared error; the others' are negative log likelihoods.
    """

    learning_rate: float = 0.025
    by: str = "loss"
    gamma: float = 1.0
    alpha: float = 1.5
    squared_errors: frozenset[str] = frozenset()


class Weighting(ABC):
    """Factors of the tasks' losses. Concrete weightings are final and hold no state: that is in the history.

    Args:
        weighed: What the configuration says.
    """

    needs_history: ClassVar[bool] = True
    """Whether a factor can be other than 1."""
    needs_norms: ClassVar[bool] = False
    """Whether it learns from the norms of the tasks' gradients."""

    def __init__(self, weighed: WeightingConfig | None = None) -> None:
        self.weighed = weighed or WeightingConfig()

    @abstractmethod
    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss in the next step, beside its `loss_weight`."""

    def learn(self, history: History, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Learn from a step; what is learned goes to `learned` of the tasks' histories.

        Args:
            history: That of all tasks, with this step in it.
            losses: Of the tasks that the step trained, before any factor.
            norms: Of their gradients on the last shared layer, before the weighting's factor, where it needs them.
        """
        del history, losses, norms


WEIGHTINGS: Registry[type[Weighting]] = Registry("weighting")
