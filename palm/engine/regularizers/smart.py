"""The adversarial regularizer of SMART: the sensitivity of the outputs to perturbed word embeddings.

Source: SMART, arXiv:1911.03437, equation 2 and algorithm 1 with one step of ascent. As in its authors' code, the
gradient of each token is scaled to a largest coordinate of 1, so that the step has the infinity norm `epsilon`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import Tensor, nn

from palm.errors import TrainingError
from palm.kernels.batch_position import sequences_before
from palm.paradigm.base import Paradigm
from palm.paradigm.output_distance import TensorsByName


def let_run_backward(model: nn.Layer) -> None:
    """Put the LSTMs of `model` into training mode; without internal dropout, so that their output is the same."""
    for layer in _recurrent(model):
        layer.train()


@contextmanager
def parameters_fixed(model: nn.Layer) -> Iterator[None]:
    """Disable gradients of all parameters inside the `with` block; gradients of LSTMs are removed at its end."""
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
            parameter.clear_gradient(False)  # Paddle ignores the keyword `set_to_zero` and leaves zeros
            if gradient is not None:
                parameter.grad = gradient


def _recurrent(model: nn.Layer) -> list[nn.Layer]:
    return [layer for layer in model.sublayers() if isinstance(layer, nn.LSTM)]


_TINY = 1e-30

Shifted = Callable[[Tensor], TensorsByName]
"""Outputs of the batch with perturbed word embeddings [batch seq hidden], always with the same dropout."""


def dropout_seed() -> int:
    """A common seed for passes of one batch, which then only differ in the perturbation; determined by the step."""
    return int(paddle.randint(0, 2**31 - 1, []))


def smart_penalty(
    model: nn.Layer,
    paradigm: Paradigm,
    shifted: Shifted,
    outputs: TensorsByName,
    inputs: Mapping[str, Tensor],
    *,
    epsilon: float,
) -> Tensor:
    """Distance between `outputs` and those for the worst perturbation found within `epsilon`: float32[].

    For distributions the sum of both Kullback-Leibler divergences, for numbers the squared difference.

    Args:
        model: The model; its parameters do not change in the search.
        paradigm: Computes the distance.
        shifted: Computes the perturbed outputs.
        outputs: Those of the unperturbed batch.
        inputs: The batch.
        epsilon: Largest perturbation of each coordinate.
    """

    def distance(one: TensorsByName, other: TensorsByName) -> Tensor:
        found = paradigm.output_distance(one, other, inputs)
        return found if paradigm.squared_error else 2 * found  # R-Drop uses half the sum

    shape = inputs["word_embedding"].shape  # [batch seq hidden]
    worst = _worst_shift(model, shifted, outputs, distance, shape=shape, epsilon=epsilon)
    return distance(outputs, shifted(worst))


def _normal(shape: Sequence[int], deviation: float) -> Tensor:
    """Normal numbers [batch seq hidden], those of each sequence by its number in the batch of all processes."""
    seed, first = int(paddle.randint(0, 2**31 - 1, [])), sequences_before()
    sampled = [np.random.Generator(np.random.SFC64([seed, first + row])) for row in range(shape[0])]
    numbers = np.stack([generator.standard_normal(shape[1:], "float32") for generator in sampled]) * deviation
    found = paddle.to_tensor(numbers.astype("float32"))
    found.stop_gradient = False
    return found


def _worst_shift(
    model: nn.Layer,
    shifted: Shifted,
    outputs: TensorsByName,
    distance: Callable[[TensorsByName, TensorsByName], Tensor],
    *,
    shape: Sequence[int],
    epsilon: float,
) -> Tensor:
    # Without a perturbation the distance has its minimum and no gradient, so the search starts next to it.
    start = _normal(shape, epsilon)
    fixed = {name: tensor.detach() for name, tensor in outputs.items()}
    with parameters_fixed(model):
        distance(fixed, shifted(start)).backward()
    if start.grad is None:
        raise TrainingError(
            "smart_weight shifts the word embeddings of a batch. Found a backbone that leaves the input "
            "`embedding_shift` alone. Leave the key out."
        )
    longest = start.grad.abs().max(-1, keepdim=True)  # [batch seq 1]
    step = start.grad / paddle.clip(longest, min=_TINY) * epsilon
    return paddle.clip(start.detach() + step, -epsilon, epsilon)
