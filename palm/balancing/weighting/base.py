"""What every weighting is: factors of the tasks' losses, from what the run has learned about the tasks so far."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from palm.balancing.history import History
from palm.registry import Registry
from palm.schema.facts import KeyFacts
from palm.schema.fields import Float, Schema


class WeightingFields(Schema):
    """Keys that every weighting takes: none."""

    key_facts = KeyFacts(scope="stage")

    def dev_metric_key(self) -> str | None:
        """The key by which the weighting follows the dev metrics of all tasks; None where it does not."""
        return None


class LearnedFields(WeightingFields):
    """Keys of every weighting that learns a number per task."""

    weighting_learning_rate: Float = Field(
        0.025, gt=0, description="Learning rate of what the weighting learns; Adam, without decay and warm-up."
    )


@dataclass(frozen=True)
class TaskLosses:
    """What a weighting knows about the losses of the run.

    Attributes:
        squared_errors: Tasks whose loss is a squared error; the others' are negative log likelihoods.
    """

    squared_errors: frozenset[str] = frozenset()


class Weighting(ABC):
    """Factors of the tasks' losses. Concrete weightings are final and hold no state: that is in the history.

    Args:
        config: An instance of the class's `Config`.
        losses: What kinds of losses there are.
    """

    Config: ClassVar[type[WeightingFields]] = WeightingFields
    needs_history: ClassVar[bool] = True
    """Whether a factor can be other than 1."""
    needs_norms: ClassVar[bool] = False
    """Whether it learns from the norms of the tasks' gradients."""
    for_one_task: ClassVar[bool] = False
    """Whether it makes a difference to a run that trains a single task."""
    epochs_before_effect: ClassVar[int] = 0
    """Epochs of a task before its factor can be other than 1."""

    def __init__(self, config: WeightingFields, losses: TaskLosses) -> None:
        self.config = config
        self.losses = losses

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
"""By their names for the key `weighting`, which the gradient methods share."""
