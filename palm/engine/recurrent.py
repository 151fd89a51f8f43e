"""The LSTMs of a model: what Paddle 3.3.1 needs before one runs backward.

Its kernel keeps what backward takes only in training mode, and ends in an error where no weight of the LSTM trains.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from paddle import nn


def let_run_backward(model: nn.Layer) -> None:
    """Put the LSTMs of `model` into training mode; they have no dropout inside, so they compute the same."""
    for layer in _recurrent(model):
        layer.train()


@contextmanager
def parameters_fixed(model: nn.Layer) -> Iterator[None]:
    """No parameter gets a gradient inside the `with` block; those of LSTMs lose it at its end."""
    recurrent = {id(parameter) for layer in _recurrent(model) for parameter in layer.parameters()}
    trained = [parameter for parameter in model.parameters() if not parameter.stop_gradient]
    fixed = [parameter for parameter in trained if id(parameter) not in recurrent]
    others = [parameter for parameter in trained if id(parameter) in recurrent]
    before = [None if parameter.grad is None else parameter.grad.clone() for parameter in others]
    try:
        for parameter in fixed:
            parameter.stop_gradient = True
        yield
    finally:
        for parameter in fixed:
            parameter.stop_gradient = False
        for parameter, gradient in zip(others, before, strict=True):
            parameter.clear_gradient(set_to_zero=False)
            if gradient is not None:
                parameter.grad = gradient


def _recurrent(model: nn.Layer) -> list[nn.Layer]:
    return [layer for layer in model.sublayers() if isinstance(layer, nn.LSTM)]
