"""Adversarial training: each batch once more, with word embeddings perturbed in the direction of increasing loss.

Source: FGM, arXiv:1605.07725, equation 5, with the whole table as the vector: `table + epsilon · g / |g|`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddle import Tensor, nn

from palm.distributed.ranks import ONE, Ranks
from palm.errors import TrainingError

_TABLE = "backbone.embeddings.word_embeddings.weight"


def word_embeddings(model: nn.Layer) -> Tensor:
    """The table that is perturbed.

    Raises:
        TrainingError: A user's backbone without a table under this name.
    """
    found: Tensor | None = dict(model.named_parameters()).get(_TABLE)
    if found is None:
        raise TrainingError(f"adversarial_epsilon moves `{_TABLE}`. Found no such parameter. Remove the key.")
    return found


@contextmanager
def perturbed(table: Tensor, before: Tensor | None, epsilon: float, ranks: Ranks = ONE) -> Iterator[bool]:
    """Perturb the table inside the `with` block, and restore it exactly afterwards.

    Args:
        table: The table; its gradient is the direction.
        before: Gradient of earlier batches; None without.
        epsilon: Norm of the perturbation.
        ranks: The processes that each have the gradient of a part of the batch.

    Yields:
        Whether there is a direction: a gradient that is neither zero nor infinite.
    """
    gradient = None if table.grad is None else table.grad if before is None else table.grad - before
    if gradient is not None and ranks.count > 1:
        gradient = gradient.clone()
        ranks.sum_in_place(gradient)
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
