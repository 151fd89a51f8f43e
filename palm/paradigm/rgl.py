"""RGL: a loss that brings vectors of examples with one label together, and those of different labels apart.

Source: RGL, Findings of NAACL 2022, in the form of PaddleNLP's trainer of prompts.
"""

from typing import TYPE_CHECKING

from palm.data.dataset import UNLABELLED

if TYPE_CHECKING:
    from paddle import Tensor

_SHARPNESS = 50.0
"""The scores of a pair are this times 1 - c and 1 + c."""

_DIVISOR = 100.0
_TINY = 1e-8


def rgl_loss(vectors: "Tensor", labels: "Tensor") -> "Tensor":
    """The loss of all pairs of labelled examples, each with itself, too: float32[]; 0 for fewer than two of them.

    Of a pair with the cosine c, the scores of "other label" and "same label" are 50 (1 - c) and 50 (1 + c). Their cross
    entropy is summed over the B² pairs, and divided by 100 B (B - 1).

    Args:
        vectors: Of each example, such as that at its [MASK]: float32[batch hidden].
        labels: Their labels, or UNLABELLED: int64[batch].
    """
    from paddle.nn import functional

    directions = vectors / vectors.norm(axis=-1, keepdim=True).clip(min=_TINY)
    cosines = directions @ directions.T  # [batch batch]
    same = (labels.unsqueeze(0) == labels.unsqueeze(1)).astype("float32")  # [batch batch]
    # The cross entropy of two scores is the softplus of their difference: 100 c.
    losses = functional.softplus((1.0 - 2.0 * same) * (2.0 * _SHARPNESS) * cosines)
    labelled = (labels != UNLABELLED).astype("float32")
    count = labelled.sum()
    total = (losses * labelled.unsqueeze(0) * labelled.unsqueeze(1)).sum()
    pairs = count * (count - 1.0)
    loss: Tensor = total * (pairs > 0).astype("float32") / pairs.clip(min=1.0) / _DIVISOR
    return loss
