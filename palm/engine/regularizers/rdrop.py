"""R-Drop: each batch runs twice under different dropout, and the two outputs are kept close to each other.

Source: arXiv:2106.14448, equation 4, with the mean of the two losses instead of their sum.
"""

from collections.abc import Callable

from paddle import Tensor

from palm.paradigm.base import Paradigm
from palm.paradigm.output_distance import TensorsByName


def rdrop_loss(
    paradigm: Paradigm,
    outputs: TensorsByName,
    inputs: TensorsByName,
    run_again: Callable[[], TensorsByName],
    alpha: float,
) -> Tensor:
    """Mean loss of two passes over a batch, and `alpha` times the distance of their outputs: float32[].

    Args:
        paradigm: Computes the loss, and the distance of two outputs.
        outputs: Those of the first pass.
        inputs: The batch and the backbone's outputs.
        run_again: Computes the outputs of the second pass.
        alpha: Weight of the distance, which is a mean; of the sum it is as many times as large as examples count.
    """
    loss = paradigm.loss(outputs, inputs)
    again = run_again()
    mean = (loss + paradigm.loss(again, inputs)) / 2
    return mean + alpha * paradigm.output_distance(outputs, again, inputs)
