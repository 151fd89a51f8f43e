"""Exponential moving average of the weights, for evaluation and export."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import paddle
from paddle import Tensor, nn


class WeightAverage:
    """`average ← decay · average + (1 − decay) · weight` after each update, started at 0 and corrected for that.

    Source: Adam's bias correction, arXiv:1412.6980 section 3, as Paddle 1's `ExponentialMovingAverage` used it.

    Args:
        model: Its trainable parameters are averaged.
        decay: Between 0 (the latest weights) and 1.
    """

    def __init__(self, model: nn.Layer, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient
        }
        self._averages = {name: paddle.zeros_like(parameter) for name, parameter in self._parameters.items()}

    @paddle.no_grad()
    def update(self) -> None:
        """Take the weights of this update in."""
        self.updates += 1
        for name, parameter in self._parameters.items():
            self._averages[name].scale_(self.decay)
            self._averages[name].add_(parameter * (1.0 - self.decay))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model holds the averaged weights inside the `with` block and its own again afterwards."""
        if not self.updates:
            yield
            return
        own = {name: parameter.clone() for name, parameter in self._parameters.items()}
        correction = 1.0 - self.decay**self.updates
        try:
            for name, parameter in self._parameters.items():
                parameter.set_value(self._averages[name] / correction)
            yield
        finally:
            for name, parameter in self._parameters.items():
                parameter.set_value(own[name])

    def state(self) -> dict[str, Tensor]:
        """The averages by parameter name."""
        return self._averages

    def restore(self, averages: Mapping[str, Tensor], *, updates: int) -> None:
        """Continue from a saved state."""
        self.updates = updates
        for name, average in self._averages.items():
            average.set_value(averages[name])
