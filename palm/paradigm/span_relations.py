"""Relations between spans: a biaffine score of each ordered pair, from vectors of the spans' ends and types.

The vector of a span is `tanh(first + last + type)`, of its first token, last token and type; its first half stands for
the head of a relation and its second for the tail. In training the spans are the gold ones, in prediction the predicted
ones, whose pairs are scored in numpy.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from palm.paradigm.base import Outputs
from palm.paradigm.span_scorers import MASKED

if TYPE_CHECKING:
    from paddle import Tensor, nn

FEATURES, TYPES, WEIGHTS = OUTPUTS = ("relation_features", "relation_types", "relation_weights")
"""The head's outputs: of each token as first and as last one; of each type of spans; the weights of pairs."""


def build_relations(
    size: int, hidden: int, types: int, relations: int, initializer_range: float
) -> "dict[str, nn.Layer]":
    """The parameters by name, for vectors of width `size` of heads and tails."""
    from paddle import ParamAttr, nn

    def weight() -> ParamAttr:
        return ParamAttr(initializer=nn.initializer.Normal(0.0, initializer_range))

    return {
        FEATURES: nn.Linear(hidden, 4 * size, weight_attr=weight(), bias_attr=False),
        TYPES: nn.Embedding(types, 2 * size, weight_attr=weight()),
        WEIGHTS: nn.Linear(size + 1, relations * (size + 1), weight_attr=weight(), bias_attr=False),
    }


def relation_outputs(layers: "nn.Layer", features: "Tensor") -> "dict[str, Tensor]":
    """The outputs for the features of tokens, [batch seq hidden]."""
    mapped = layers.relation_features(features)  # [batch seq 4*size]
    return {FEATURES: mapped, TYPES: layers.relation_types.weight, WEIGHTS: layers.relation_weights.weight}


def score_gold_pairs(outputs: "Mapping[str, Tensor]", labels: "Tensor") -> "Tensor":
    """Scores of all pairs of gold spans: [batch relation span span].

    Args:
        outputs: From `relation_outputs`.
        labels: First token, last token and type of each span, int64[batch span 3]; negative where there is none.
            These are in no pair, nor is a span with itself.
    """
    import paddle
    from paddle.nn import functional

    from palm.kernels.products import product

    found, types, weights = (outputs[name] for name in OUTPUTS)
    size, seq, spans = found.shape[2] // 4, found.shape[1], labels.shape[1]
    present = (labels[:, :, 2] >= 0).astype("float32")  # [batch span]
    first, last, kind = (labels[:, :, part].clip(min=0) for part in range(3))
    vectors = product(functional.one_hot(first, seq), found[:, :, : 2 * size])
    vectors = vectors + product(functional.one_hot(last, seq), found[:, :, 2 * size :])
    vectors = paddle.tanh(vectors + product(functional.one_hot(kind, types.shape[0]), types))  # [batch span 2*size]
    one = paddle.ones([labels.shape[0], spans, 1])
    heads, tails = (paddle.concat([part, one], axis=-1) for part in (vectors[:, :, :size], vectors[:, :, size:]))
    mapped = product(heads, weights).reshape([0, 0, -1, size + 1]).transpose([0, 2, 1, 3])
    scores: Tensor = product(mapped, tails.unsqueeze(1), transpose_other=True)  # [batch relation span span]
    pairs = present.unsqueeze(2) * present.unsqueeze(1) * (1.0 - paddle.eye(spans))
    return scores + ((1.0 - pairs) * MASKED).unsqueeze(1)


def score_pairs(outputs: Outputs, spans: Outputs) -> np.ndarray:
    """Scores of all pairs of predicted spans of one window: float32[relation span span].

    Args:
        outputs: From `relation_outputs`, of one window without its axis of the batch.
        spans: From `best_cells`.
    """
    found, types, weights = (outputs[name] for name in OUTPUTS)
    size = found.shape[1] // 4
    vectors = found[spans["starts"], : 2 * size] + found[spans["ends"], 2 * size :] + types[spans["types"]]
    vectors = np.tanh(vectors)
    one = np.ones((len(vectors), 1), "float32")
    heads, tails = np.hstack([vectors[:, :size], one]), np.hstack([vectors[:, size:], one])
    mapped = (heads @ weights).reshape(len(heads), weights.shape[1] // (size + 1), size + 1)  # [span relation size+1]
    scores: np.ndarray = np.einsum("hrs,ts->rht", mapped, tails)
    return scores


def best_pairs(scores: np.ndarray, most: int, *, is_exclusive: bool) -> Outputs:
    """The pairs of spans with a relation, a score above 0, at most the `most` best: `heads`, `tails`, `relations`.

    Args:
        scores: float32[relation span span].
        most: How many.
        is_exclusive: Whether a pair has one relation at most, the best.
    """
    chosen = (scores > 0) & ~np.eye(scores.shape[-1], dtype=bool)
    if is_exclusive:
        chosen &= np.arange(len(scores))[:, None, None] == scores.argmax(axis=0)
    kinds, heads, tails = np.nonzero(chosen)
    found = scores[kinds, heads, tails]
    best = np.sort(np.argsort(-found, kind="stable")[:most])
    return {
        "heads": heads[best], "tails": tails[best], "relations": kinds[best], "relation_scores": found[best],
    }  # fmt: skip
