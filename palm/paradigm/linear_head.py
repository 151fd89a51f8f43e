"""The head of most paradigms: dropout and one linear layer."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddle import Tensor, nn


def build_linear_head(size: int, classes: int, initializer_range: float, *, bias: bool = True) -> "nn.Layer":
    """A layer `linear`: weight [size classes] from a normal distribution, bias [classes] of zeros, or none."""
    from paddle import ParamAttr, nn

    weight = ParamAttr(initializer=nn.initializer.Normal(0.0, initializer_range))
    return nn.LayerDict({"linear": nn.Linear(size, classes, weight_attr=weight, bias_attr=None if bias else False)})


def project(layers: "nn.Layer", features: "Tensor", dropout_prob: float) -> "Tensor":
    """`features` [... size] after dropout, as logits [... class]."""
    from paddle.nn import functional

    logits: Tensor = layers.linear(functional.dropout(features, dropout_prob, training=dropout_prob > 0))
    return logits
