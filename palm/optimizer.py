"""The optimizer of the Python API: what `build_backward` takes.

adam = palm.optimizer.Adam(loss, 5e-5, schedule)
"""

from dataclasses import dataclass
from typing import final

from palm.errors import ConfigError, Problem
from palm.lr_sched import Schedule


@dataclass(frozen=True)
class Loss:
    """What `build_forward` gives: the loss of these tasks.

    Attributes:
        tasks: Names of the tasks.
    """

    tasks: tuple[str, ...]


@final
@dataclass(frozen=True)
class Adam:
    """Adam; weight decay, which `build_backward` sets, is decoupled from the gradient.

    Attributes:
        loss_var: What `build_forward` gave.
        lr: Highest learning rate.
        lr_schedualer: Its factor at each global step; always 1 when None.
    """

    loss_var: object
    lr: float
    lr_schedualer: Schedule | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.loss_var, Loss):
            rule = "loss_var is what build_forward gave."
            raise ConfigError(Problem("palm.optimizer.Adam", f"{rule} Found {self.loss_var!r}."))
        if not self.lr > 0:
            raise ConfigError(Problem("palm.optimizer.Adam", f"lr is above 0. Found {self.lr}."))
