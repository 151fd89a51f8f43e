"""Losses over the scores of lists of candidates: margin, listwise softmax, and distillation from scores.

Every loss is a mean over lists; `relevance` and `scores` are float32[batch choice], `mask` has 1 for each candidate
that there is. A list whose candidates have no order has a loss of 0, except in distillation.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from paddle import Tensor

RankLoss = Literal["listwise", "margin", "distill", "margin_mse"]


def listwise_softmax(scores: "Tensor", relevance: "Tensor", mask: "Tensor") -> "Tensor":
    """Cross entropy of the softmax over a list's scores with its relevance divided by their sum; below 0 counts as 0.

    Source: the softmax loss of TF-Ranking (arXiv:1911.09798, equation 3), after ListNet (Cao et al., ICML 2007).
    """
    import paddle
    from paddle.nn import functional

    gains = functional.relu(relevance) * mask
    total = gains.sum(-1, keepdim=True)
    targets = gains / paddle.where(total > 0, total, paddle.ones_like(total))
    return -(targets * functional.log_softmax(scores, axis=-1) * mask).sum(-1).mean()


def pairwise_margin(scores: "Tensor", relevance: "Tensor", mask: "Tensor", margin: float) -> "Tensor":
    """Mean of `max(0, margin - s_i + s_j)` over a list's pairs in which i is more relevant than j.

    Source: the pairwise strategy of PALM 2.0.2 (`paddlepalm/head/match.py`), for all pairs of a list.
    """
    from paddle.nn import functional

    ordered = (_differences(relevance) > 0).astype("float32") * _both(mask)  # [batch choice choice]
    return _mean_of_pairs(functional.relu(margin - _differences(scores)), ordered)


def distillation(scores: "Tensor", relevance: "Tensor", mask: "Tensor", temperature: float) -> "Tensor":
    """KL divergence of the softmax of the scores from that of the relevance, both divided by `temperature`, times its
    square.

    Source: arXiv:1503.02531, section 2; `DistillKLDivLoss` of sentence-transformers.
    """
    import paddle
    from paddle.nn import functional

    absent = (1.0 - mask) * -1e9
    targets = functional.softmax(relevance / temperature + absent, axis=-1)
    known = functional.log_softmax(relevance / temperature + absent, axis=-1)
    found = functional.log_softmax(scores * mask / temperature + absent, axis=-1)
    terms = paddle.where(mask > 0, targets * (known - found), paddle.zeros_like(targets))
    return terms.sum(-1).mean() * temperature**2


def margin_squared_error(scores: "Tensor", relevance: "Tensor", mask: "Tensor") -> "Tensor":
    """Mean of `((s_i - s_j) - (y_i - y_j))²` over the pairs of a list. Source: Margin-MSE, arXiv:2010.02666."""
    import paddle

    pairs = paddle.tril(_both(mask), -1)  # each pair once
    return _mean_of_pairs((_differences(scores * mask) - _differences(relevance)) ** 2, pairs)


def _differences(values: "Tensor") -> "Tensor":
    return values.unsqueeze(-1) - values.unsqueeze(-2)  # [batch choice choice]


def _both(mask: "Tensor") -> "Tensor":
    return mask.unsqueeze(-1) * mask.unsqueeze(-2)  # [batch choice choice]


def _mean_of_pairs(losses: "Tensor", pairs: "Tensor") -> "Tensor":
    """The mean over lists of the mean over each one's pairs; 0 for a list without any."""
    import paddle

    mean: Tensor = ((losses * pairs).sum([1, 2]) / paddle.clip(pairs.sum([1, 2]), min=1.0)).mean()
    return mean


def rank_loss(
    name: RankLoss, scores: "Tensor", inputs: "Mapping[str, Tensor]", *, margin: float, temperature: float
) -> "Tensor":
    """The loss called `name` of a batch with `relevance` and `choice_mask`."""
    relevance, mask = inputs["relevance"], inputs["choice_mask"]
    if name == "listwise":
        return listwise_softmax(scores, relevance, mask)
    if name == "margin":
        return pairwise_margin(scores, relevance, mask, margin)
    if name == "distill":
        return distillation(scores, relevance, mask, temperature)
    return margin_squared_error(scores, relevance, mask)
