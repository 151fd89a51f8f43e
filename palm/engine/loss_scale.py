"""The factor of the loss in float16, whose small gradients would round to 0; as that of Paddle's and PyTorch's scalers.

A gradient that overflows costs its batch, halves the factor, and is counted; many batches without one double it. All
factors are powers of two, so that the gradients, divided by it, have the bits that they would have without it.

Source: Mixed Precision Training, arXiv:1710.03740, section 3.2; the constants are those of torch.amp.GradScaler.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from paddle import Tensor

from palm.engine.no_grad import without_gradients

GROWTH_INTERVAL = 2000
LARGEST = 2.0**24
"""Beyond it a factor gains nothing, and would overflow in the end."""


@final
@dataclass
class LossScale:
    """The factor, which is part of a run's progress.

    Attributes:
        value: The factor.
        clean: Batches without an overflow since the factor changed.
        skipped: Batches whose gradients overflowed, in the whole run.
    """

    value: float = 2.0**16
    clean: int = 0
    skipped: int = 0

    @property
    def may_overflow(self) -> bool:
        """Whether the factor may be why gradients are not finite; a factor of 1 is not."""
        return self.value > 1

    def after_step(self, *, batches: int, overflown: int) -> None:
        """Count the batches of a step, of which the gradients of `overflown` were not finite.

        With several ranks each counts the same, so that all have the same factor.
        """
        self.skipped += overflown
        self.clean = 0 if overflown else self.clean + batches
        if overflown:
            self.value /= 2
        elif self.clean >= GROWTH_INTERVAL:
            self.value, self.clean = min(2 * self.value, LARGEST), 0

    @without_gradients
    def added(self, scaled: Mapping[str, Tensor], pending: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gradients of earlier batches and those of this one, which were scaled, by parameter name."""
        found = dict(pending)
        for name, gradient in scaled.items():
            own = gradient / self.value
            found[name] = found[name] + own if name in found else own
        return found
