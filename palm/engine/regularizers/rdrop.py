"""How far two passes over one batch, under different dropout, are apart: the regulariser R-Drop.

Source: R-Drop, arXiv:2106.14448, equation 2: half the sum of both Kullback-Leibler divergences.
"""

from collections.abc import Mapping

import paddle
from paddle import Tensor
from paddle.nn import functional

from palm.data.dataset import UNLABELLED


def symmetric_kl(one: Mapping[str, Tensor], other: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
    """Mean symmetric divergence of the distributions in the outputs `…logits`, over the rows that carry a label.

    Each label of a set is a distribution of its own; of numbers it is the squared difference.
    """
    if "values" in one:
        square: Tensor = ((one["values"] - other["values"]) ** 2).mean()
        return square
    if "label_sets" in inputs:
        shares = functional.sigmoid(one["logits"]) - functional.sigmoid(other["logits"])
        return (shares * (one["logits"] - other["logits"])).mean() / 2
    names = [name for name in one if name.endswith("logits")]
    if not names:
        return paddle.zeros([])
    apart = paddle.add_n([_of_logits(one[name], other[name], inputs.get("label_ids")) for name in names])
    return apart / len(names)


def _of_logits(one: Tensor, other: Tensor, labels: Tensor | None) -> Tensor:
    logs, other_logs = functional.log_softmax(one, -1), functional.log_softmax(other, -1)
    # KL(p|q) + KL(q|p) = Σ (p - q)(ln p - ln q)
    rows = ((logs.exp() - other_logs.exp()) * (logs - other_logs)).sum(-1) / 2
    if labels is None or labels.shape != rows.shape:
        return rows.mean()
    labelled = (labels != UNLABELLED).astype("float32")
    mean: Tensor = (rows * labelled).sum() / paddle.clip(labelled.sum(), min=1.0)
    return mean
