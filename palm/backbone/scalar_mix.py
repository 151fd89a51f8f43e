"""A learned mix of several encoder layers, instead of one layer's output.

Source: ELMo, arXiv:1802.05365, equation 1: `scale · Σ softmax(weight)_i · output_i`.
"""

from collections.abc import Sequence

import paddle
from paddle import Tensor, nn


class ScalarMix(nn.Layer):
    """One weight per layer and a scale; initially the mean of the layers.

    Args:
        layers: Indices of the mixed layers, from 0, ascending.
    """

    def __init__(self, layers: Sequence[int]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        constant = nn.initializer.Constant
        self.weight = self.create_parameter([len(layers)], default_initializer=constant(0.0))
        self.scale = self.create_parameter([1], default_initializer=constant(1.0))

    def forward(self, outputs: Sequence[Tensor]) -> Tensor:
        """The mix of `outputs`, one per layer in `layers`, all of the same shape."""
        probabilities = nn.functional.softmax(self.weight)
        mixed = paddle.add_n([output * probabilities[number] for number, output in enumerate(outputs)])
        return mixed * self.scale
