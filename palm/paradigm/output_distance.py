"""The distance of two outputs for one batch, which R-Drop and SMART penalize.

Source: R-Drop, arXiv:2106.14448, equation 2: half the sum of both Kullback-Leibler divergences.
"""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from palm.data.dataset import UNLABELLED

if TYPE_CHECKING:
    from paddle import Tensor

TensorsByName = Mapping[str, "Tensor"]


def symmetric_kl(one: TensorsByName, other: TensorsByName, labels: "Tensor | None" = None) -> "Tensor":
    """Mean symmetric divergence of the distributions in the outputs `…logits`: float32[].

    Args:
        one: Outputs of one pass.
        other: Outputs of the other pass.
        labels: Gold of each distribution; those without a label are ignored.
    """
    import paddle

    names = [name for name in one if name.endswith("logits")]
    if not names:
        return paddle.zeros([])
    divergences = paddle.add_n([_of_logits(one[name], other[name], labels) for name in names])
    return divergences / len(names)


def symmetric_kl_by_label(one: "Tensor", other: "Tensor") -> "Tensor":
    """The same for logits [batch class], each a separate distribution, present or absent: float32[]."""
    from paddle.nn import functional

    differences = functional.sigmoid(one) - functional.sigmoid(other)
    return (differences * (one - other)).mean() / 2


def summed_kl_by_label(one: "Tensor", other: "Tensor") -> "Tensor":
    """The sum of these divergences instead of their mean: float32[]."""
    from paddle.nn import functional

    differences = functional.sigmoid(one) - functional.sigmoid(other)
    return (differences * (one - other)).sum() / 2


def squared_difference(one: TensorsByName, other: TensorsByName) -> "Tensor":
    """Mean squared difference of the outputs: float32[]."""
    squares = [((one[name] - other[name]) ** 2).mean() for name in one]
    return reduce(add, squares) / len(squares)


def _of_logits(one: "Tensor", other: "Tensor", labels: "Tensor | None") -> "Tensor":
    from paddle.nn import functional

    logs, other_logs = functional.log_softmax(one, -1), functional.log_softmax(other, -1)
    # KL(p|q) + KL(q|p) = Σ (p - q)(ln p - ln q)
    rows = ((logs.exp() - other_logs.exp()) * (logs - other_logs)).sum(-1) / 2
    if labels is None or labels.shape != rows.shape:
        return rows.mean()
    labelled = (labels != UNLABELLED).astype("float32")
    mean: Tensor = (rows * labelled).sum() / labelled.sum().clip(min=1.0)
    return mean
