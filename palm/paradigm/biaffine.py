"""Biaffine scores of arcs between words, and of their relations.

Source: Dozat & Manning, arXiv:1611.01734, equations 4 to 9. Of two vectors d and h a biaffine layer computes d'U h and
a linear function of each. Here the linear map of d that is multiplied by h has a bias, which is the function of h; that
of d is a linear layer, which arcs need not: their scores are compared over h.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from palm.schema.fields import Float, Int, ParadigmFields

if TYPE_CHECKING:
    from paddle import Tensor, nn

SLOPE = 0.1
"""That of the leaky ReLU below 0, as in the authors' parser."""


class BiaffineFields(ParadigmFields):
    """Keys of biaffine heads."""

    arc_size: Int = Field(500, ge=1, description="Width of the layers that arcs are scored from.")
    relation_size: Int = Field(100, ge=1, description="Width of the layers that relations are scored from.")
    arc_dropout: Float = Field(0.33, ge=0, lt=1, description="Dropout after these layers.")


def build_biaffine(config: BiaffineFields, size: int, relations: int) -> "nn.Layer":
    """The parameters for features of width `size`: a layer for each role of a word, and what is multiplied by them."""
    from paddle import ParamAttr, nn

    def layer(inner: int, outer: int) -> "nn.Layer":
        normal = ParamAttr(initializer=nn.initializer.Normal(0.0, config.initializer_range))
        return nn.Linear(inner, outer, weight_attr=normal)

    return nn.LayerDict(
        {
            "arc_word": layer(size, config.arc_size),
            "arc_head": layer(size, config.arc_size),
            "arc_pair": layer(config.arc_size, config.arc_size),
            "relation_word": layer(size, config.relation_size),
            "relation_head": layer(size, config.relation_size),
            "relation_pair": layer(config.relation_size, relations * config.relation_size),
            "relation_bias": layer(config.relation_size, relations),
        }
    )


def role(layer: "nn.Layer", features: "Tensor", dropout_prob: float) -> "Tensor":
    """What words are in one role: [batch seq hidden] → [batch seq size]."""
    from paddle.nn import functional

    from palm.kernels import plain

    values: Tensor = plain.dropout(functional.leaky_relu(layer(features), SLOPE), dropout_prob)
    return values


def arc_scores(layers: "nn.Layer", words: "Tensor", heads: "Tensor") -> "Tensor":
    """The score of each token as the head of each: [batch seq size] twice → [batch seq seq]."""
    from palm.kernels.products import product

    return product(layers.arc_pair(words), heads, transpose_other=True)


def relation_scores(layers: "nn.Layer", words: "Tensor", heads: "Tensor", *, classes: int) -> "Tensor":
    """The score of each relation of each token to one other: [batch seq size] twice → [batch seq class]."""
    batch, seq, size = words.shape
    pairs = layers.relation_pair(words).reshape([batch, seq, classes, size])
    scores: Tensor = (pairs * heads.unsqueeze(2)).sum(-1) + layers.relation_bias(words)  # [batch seq class]
    return scores


def all_relation_scores(layers: "nn.Layer", words: "Tensor", heads: "Tensor", *, classes: int) -> "Tensor":
    """The same for each token to each other: [batch seq size] twice → [batch class seq seq]."""
    from palm.kernels.products import product

    size = words.shape[-1]
    pairs = layers.relation_pair(words).reshape([0, 0, classes, size]).transpose([0, 2, 1, 3])  # [batch class seq size]
    scores = product(pairs, heads.unsqueeze(1), transpose_other=True)  # [batch class seq seq]
    found: Tensor = scores + layers.relation_bias(words).transpose([0, 2, 1]).unsqueeze(-1)
    return found
