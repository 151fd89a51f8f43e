"""What the two implementations of AdamW have in common: constants, the parameters, the slots of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from paddle import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
SLOTS = ("moment1", "moment2", "beta1_power", "beta2_power")


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters and how they are updated.

    Attributes:
        parameters: By name.
        decayed: Names that weight decay applies to.
        scales: Factor of the learning rate, by name; 1 for the others.
        decay: Decoupled weight decay.
        max_norm: Largest global norm of the gradients; 0 is no limit.
    """

    parameters: Mapping[str, Tensor]
    decayed: frozenset[str]
    scales: Mapping[str, float]
    decay: float
    max_norm: float


class UpdateRule(Protocol):
    """Updates parameters that have gradients, and keeps their slots."""

    def step(self, learning_rate: float, gradients: Mapping[str, Tensor]) -> None:
        """One update."""

    def slots(self) -> dict[str, dict[str, Tensor]]:
        """`SLOTS` of every parameter that had an update."""
        ...

    def restore(self, slots: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from saved slots; the other parameters begin afresh."""
