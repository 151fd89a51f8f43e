"""Cross entropy as a mean over what carries a label: the loss that most paradigms begin with."""

from typing import TYPE_CHECKING

from palm.data.dataset import UNLABELLED

if TYPE_CHECKING:
    from paddle import Tensor


def mean_cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Mean over the labelled rows of `logits` [row class], `labels` int64[row]; 0 where there are none.

    Paddle's own mean counts the ignored rows as well (3.3.1), so that the loss would depend on how much is ignored.
    """
    import paddle
    from paddle.nn import functional

    total = functional.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="sum")
    labelled = (labels != UNLABELLED).astype("float32").sum()
    return total / paddle.clip(labelled, min=1.0)
