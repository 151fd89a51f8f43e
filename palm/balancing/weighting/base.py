"""The interface of weightings: factors of the tasks' losses, computed from the history of the tasks."""

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
    """Keys of all weightings: none."""

    key_facts = KeyFacts(scope="stage")

    def dev_metric_key(self) -> str | None:
        """The key by which the weighting follows the dev metrics of all tasks; None if it does not."""
        return None


class LearnedFields(WeightingFields):
    """Keys of all weightings that learn a number per task."""

    weighting_learning_rate: Float = Field(
        0.025, gt=0, description="Learning rate of the weighting's parameters; Adam, without decay and warm-up."
    )


@dataclass(frozen=True)
class TaskLosses:
    """The facts about a run's losses for its weighting.

    Attributes:
        squared_errors: Tasks whose loss is a squared error; the others' are negative log likelihoods.
    """

    squared_errors: frozenset[str] = frozenset()


class Weighting(ABC):
    """Factors of the tasks' losses. Concrete weightings are final and stateless: their state is in the history.

    Args:
        config: An instance of the class's `Config`.
        losses: The kinds of losses.
    """

    Config: ClassVar[type[WeightingFields]] = WeightingFields
    needs_history: ClassVar[bool] = True
    """Whether a factor can differ from 1."""
    needs_norms: ClassVar[bool] = False
    """Whether it learns from the norms of the tasks' gradients."""
    for_one_task: ClassVar[bool] = False
    """Whether it has an effect in a run with a single task."""
    epochs_before_effect: ClassVar[int] = 0
    """Epochs of a task before its factor can differ from 1."""

    def __init__(self, config: WeightingFields, losses: TaskLosses) -> None:
        self.config = config
        self.losses = losses

    @abstractmethod
    def factors(self, history: History) -> dict[str, float]:
        """The factor of each task's loss in the next step, in addition to `loss_weight`."""

    def learn(self, history: History, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Learn from a step; the result is stored in `learned` of the tasks' histories.

        Args:
            history: History of all tasks, including this step.
            losses: Losses of the tasks that the step trained, before any factor.
            norms: Norms of their gradients on the last shared layer, before the weighting's factor, if needed.
        """
        del history, losses, norms


WEIGHTINGS: Registry[type[Weighting]] = Registry("weighting")
"""By name, for the key `weighting`, which also selects gradient methods."""
