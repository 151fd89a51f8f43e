"""What every weighting is: factors of the tasks' losses, from the mean losses of their epochs so far."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from palm.registry import Registry

EpochLosses = Mapping[str, Sequence[float]]


class Weighting(ABC):
    """Factors of the tasks' losses. Concrete weightings are final and hold no state, so that resume is exact."""

    needs_history: bool = True

    @abstractmethod
    def factors(self, losses: EpochLosses) -> dict[str, float]:
        """The factor of each task's loss, beside its `loss_weight`.

        Args:
            losses: Mean training loss of each task's last epochs, the newest last; at most two, none before the first
                ends.
        """


WEIGHTINGS: Registry[type[Weighting]] = Registry("weighting")
