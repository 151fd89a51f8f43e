"""A linear-chain conditional random field: log likelihood of label sequences, and the best sequence.

Source: Lafferty et al., 2001; the head of Lample et al., arXiv:1603.01360. `transitions` is float32[class+2 class]: row
`i` scores the labels after label `i`, the last but one row those that start a sequence, the last those that end it.
"""

from typing import TYPE_CHECKING

import numpy as np

from palm.data.dataset import UNLABELLED

if TYPE_CHECKING:
    from paddle import Tensor, nn


def build_transitions(classes: int, initializer_range: float) -> "nn.Layer":
    """A layer with the single parameter `weight` float32[class+2 class]."""
    from paddle import ParamAttr, nn

    weight = ParamAttr(initializer=nn.initializer.Normal(0.0, initializer_range))
    return nn.Embedding(classes + 2, classes, weight_attr=weight)


def crf_loss(logits: "Tensor", labels: "Tensor", transitions: "Tensor") -> "Tensor":
    """Mean negative log likelihood of the gold sequences per labelled token; 0 if there are none.

    Args:
        logits: Score of each token's labels, float32[batch seq class].
        labels: int64[batch seq]. A row's sequence consists of its labelled tokens; the others are skipped.
        transitions: float32[class+2 class].
    """
    import paddle

    lengths = (labels != UNLABELLED).astype("int64").sum(1)  # [batch]
    if not int(lengths.max()):
        return (logits * 0.0).sum() + (transitions * 0.0).sum()
    scores, gold, present = _compact(logits, labels, lengths)
    lost: Tensor = (
        _log_partition(scores, present, transitions) - _gold_score(scores, gold, present, transitions)
    ).sum()
    return lost / paddle.clip(present.sum(), min=1.0)


def viterbi(logits: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """The best label sequence, int64[words], for `logits` [words class]; ties are broken by lower ids."""
    if not len(logits):
        return np.zeros(0, "int64")
    following, start, end = transitions[:-2], transitions[-2], transitions[-1]
    scores = [start + logits[0]]  # of the best sequences up to each word, by its label
    for word in logits[1:]:
        scores.append((scores[-1][:, None] + following).max(axis=0) + word)  # of [before after]
    best = [int((scores[-1] + end).argmax())]
    for score in reversed(scores[:-1]):  # the labels before are sought on the best path alone
        best.append(int((score + following[:, best[-1]]).argmax()))
    return np.array(best[::-1], "int64")


def _compact(logits: "Tensor", labels: "Tensor", lengths: "Tensor") -> "tuple[Tensor, Tensor, Tensor]":
    """Scores [batch word class] and labels [batch word] of the labelled tokens, moved left, and their mask."""
    import paddle

    words = int(lengths.max())
    # The labelled places first, each in its order: no two sort keys are equal, so any sort gives the same.
    places = paddle.arange(labels.shape[1]) + (labels == UNLABELLED).astype("int64") * labels.shape[1]
    order = paddle.argsort(places, axis=1)[:, :words]
    scores = paddle.take_along_axis(logits, order.unsqueeze(-1), axis=1, broadcast=True)
    present = (paddle.arange(words).unsqueeze(0) < lengths.unsqueeze(1)).astype("float32")  # [batch word]
    gold = paddle.take_along_axis(labels, order, axis=1) * present.astype("int64")
    return scores, gold, present


def _log_partition(scores: "Tensor", present: "Tensor", transitions: "Tensor") -> "Tensor":
    """Log of the summed exponents of the scores of every sequence, [batch]: the forward algorithm."""
    import paddle

    classes = scores.shape[-1]
    following = transitions[:classes].unsqueeze(0)  # [1 before after]
    sums = scores[:, 0] + transitions[classes]  # [batch class]
    for place in range(1, scores.shape[1]):
        there = present[:, place].unsqueeze(-1)
        moved = paddle.logsumexp(sums.unsqueeze(-1) + following, axis=1) + scores[:, place]
        sums = moved * there + sums * (1.0 - there)
    # A row without labels has one step too many above; its likelihood does not count.
    return paddle.logsumexp(sums + transitions[classes + 1], axis=-1) * present[:, 0]


def _gold_score(scores: "Tensor", gold: "Tensor", present: "Tensor", transitions: "Tensor") -> "Tensor":
    """Score of the gold sequence, [batch]."""
    import paddle
    from paddle.nn import functional

    classes = scores.shape[-1]
    emitted = (scores * functional.one_hot(gold, classes)).sum(-1) * present  # [batch word]
    last = present.sum(1).astype("int64") - 1
    ends = paddle.take_along_axis(gold, paddle.clip(last, min=0).unsqueeze(-1), axis=1).squeeze(-1)
    edges = _pick(transitions, paddle.full_like(ends, classes), gold[:, 0])
    edges = edges + _pick(transitions, paddle.full_like(ends, classes + 1), ends)
    total = emitted.sum(1) + edges * present[:, 0]
    if gold.shape[1] == 1:
        return total
    steps = _pick(transitions, gold[:, :-1].flatten(), gold[:, 1:].flatten()).reshape([gold.shape[0], -1])
    score: Tensor = total + (steps * present[:, 1:]).sum(1)
    return score


def _pick(transitions: "Tensor", rows: "Tensor", columns: "Tensor") -> "Tensor":
    """`transitions[row, column]` of each pair, through products, whose gradient Paddle computes fast on the CPU."""
    from paddle.nn import functional

    from palm.kernels.products import in_float32

    rows_hot = functional.one_hot(rows, transitions.shape[0])
    columns_hot = functional.one_hot(columns, transitions.shape[1])
    with in_float32():
        picked: Tensor = ((rows_hot @ transitions) * columns_hot).sum(-1)
    return picked
