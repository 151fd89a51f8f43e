"""Contrastive losses over embeddings of texts, as sentence-transformers defines them.

Sources: `CosineSimilarityLoss`, `MultipleNegativesRankingLoss` and `MultipleNegativesSymmetricRankingLoss`,
https://sbert.net/docs/package_reference/sentence_transformer/losses.html; in-batch negatives, arXiv:1705.00652.
"""

from typing import TYPE_CHECKING

from palm.data.dataset import UNLABELLED

if TYPE_CHECKING:
    from paddle import Tensor

_MASKED = -1e9  # below every score; the softmax of it is an exact 0 in float32


def unit_length(vectors: "Tensor") -> "Tensor":
    """`vectors` [... hidden] divided by their lengths; a vector of zeros stays one."""
    from paddle.nn import functional

    return functional.normalize(vectors, axis=-1, epsilon=1e-12)


def pair_cosines(embeddings: "Tensor", text_rows: "Tensor") -> "Tensor":
    """The cosine of each row's first text with each of its others: float32[batch pair].

    Args:
        embeddings: float32[text hidden].
        text_rows: The texts of each row, int64[batch pair+1].
    """
    import paddle

    units = unit_length(embeddings)
    shape = [*text_rows.shape, units.shape[-1]]
    texts = paddle.gather(units, text_rows.flatten()).reshape(shape)  # [batch pair+1 hidden]
    cosines: Tensor = (texts[:, :1] * texts[:, 1:]).sum(-1)
    return cosines


def mean_squared_error(cosines: "Tensor", scores: "Tensor") -> "Tensor":
    """Mean squared difference of cosines and scores, both float32[batch pair], over the pairs that have one.

    -100 stands for a score of no pair. Source: `CosineSimilarityLoss`, whose loss function is the mean squared error.
    """
    known = (scores != UNLABELLED).astype("float32")
    loss: Tensor = (((cosines - scores) ** 2) * known).sum() / known.sum().clip(min=1.0)
    return loss


def in_batch_loss(
    embeddings: "Tensor", text_rows: "Tensor", anchor_mask: "Tensor", *, scale: float, symmetric: bool
) -> "Tensor":
    """Cross entropy of finding each row's second text by its first one, among those of all rows: float32[].

    The scores are cosines times `scale`. A text counts once however many rows have it, and whatever some row pairs with
    a text is no negative of it. Source: `MultipleNegativesRankingLoss`, which is the same where no text occurs twice.

    Args:
        embeddings: float32[text hidden].
        text_rows: The two texts of each row, int64[batch 2].
        anchor_mask: 1 for the rows that count in the mean, float32[batch]; all rows have negatives for them.
        scale: Factor of the cosines.
        symmetric: Whether the loss is the mean of it and of finding the first text by the second one.
    """
    import paddle

    from palm.kernels.products import in_float32, product

    units = unit_length(embeddings)
    left, right = (paddle.gather(units, text_rows[:, side]) for side in (0, 1))  # [batch hidden]
    with in_float32():
        scores = product(left.astype("float32"), right.astype("float32"), transpose_other=True) * scale
    equal = [
        (text_rows[:, side].unsqueeze(0) == text_rows[:, side].unsqueeze(1)).astype("float32") for side in (0, 1)
    ]  # [batch batch]: which rows have the same text
    positive = (product(equal[0], equal[1]) > 0).astype("float32")  # [batch batch]: left and right of some row
    loss = _mean_of_rows(scores, positive, equal[1], anchor_mask)
    return (loss + _mean_of_rows(scores.T, positive.T, equal[0], anchor_mask)) / 2 if symmetric else loss


def _mean_of_rows(scores: "Tensor", positive: "Tensor", equal: "Tensor", anchor_mask: "Tensor") -> "Tensor":
    """Mean cross entropy of the diagonal over the rows in the mask; negatives of equal texts count as one."""
    import paddle
    from paddle.nn import functional

    own = paddle.eye(scores.shape[0])
    scores = scores + (positive - own) * _MASKED - paddle.log(equal.sum(0)) * (1.0 - own)  # [batch batch]
    losses = -(functional.log_softmax(scores, axis=-1) * own).sum(-1)  # [batch]
    mean: Tensor = (losses * anchor_mask).sum() / anchor_mask.sum().clip(min=1.0)
    return mean
