"""Adversarial training: each batch once more, with its word embeddings moved to where the loss grows fastest.

Source: FGM, arXiv:1605.07725, equation 5, with the whole table as the vector: `table + epsilon · g / |g|`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddle import Tensor, nn

from palm.errors import TrainingError

_TABLE = "backbone.embeddings.word_embeddings.weight"


def word_embeddings(model: nn.Layer) -> Tensor:
    """The table that is perturbed.

    Raises:
        TrainingError: The backbone, which is not one of PALM's, has none under this name.
    """
    found: Tensor | None = dict(model.named_parameters()).get(_TABLE)
    if found is None:
        raise TrainingError(f"adversarial_epsilon moves `{_TABLE}`. Found no such parameter. Leave the key out.")
    return found


@contextmanager
def perturbed(table: Tensor, before: Tensor | None, epsilon: float) -> Iterator[bool]:
    """The table is perturbed inside the `with` block and has its own bits again afterwards.

    Args:
        table: Its gradient says where to.
        before: What of that gradient earlier batches left; None where there was nothing.
        epsilon: Length of the step.

    Yields:
        Whether there was a direction to go: a gradient that is neither zero nor infinite.
    """
    gradient = None if table.grad is None else table.grad if before is None else table.grad - before
    length = 0.0 if gradient is None else float(paddle.linalg.norm(gradient))
    if gradient is None or not 0.0 < length < float("inf"):
        yield False
        return
    own = table.clone().detach()
    try:
        table.set_value(own + gradient * (epsilon / length))
        yield True
    finally:
        table.set_value(own)
