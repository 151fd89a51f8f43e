"""The head of paradigms that judge whole texts: pooling, then a linear layer or an MLP."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import field_validator

from palm.paradigm.head_layers import HeadFields, HeadKind, build_head, head_form, head_logits
from palm.paradigm.pooling import PoolingFields, add_pooling, pool
from palm.spec import Phase

if TYPE_CHECKING:
    from paddle import Tensor, nn


class TextHeadFields(PoolingFields, HeadFields):
    """Keys of a head on whole texts."""

    @field_validator("head")
    @classmethod
    def _check_head(cls, head: HeadKind) -> HeadKind:
        if head not in ("linear", "mlp"):
            raise ValueError(f"a head on whole texts is linear or mlp, found `{head}`: that one labels each word")
        return head


def text_head_form(config: TextHeadFields) -> tuple[object, ...]:
    """What makes this head's parameters differ from those of a linear layer on one vector; empty where nothing does."""
    return head_form(config) + (("attention",) if config.pooling == "attention" else ())


def build_text_head(config: TextHeadFields, size: int, classes: int, *, bias: bool = True) -> "nn.Layer":
    """The head's parameters on an encoder `size` wide."""
    layers = build_head(config, size, classes, bias=bias)
    add_pooling(layers, config.pooling, size, config.initializer_range)
    return layers


def text_logits(
    layers: "nn.Layer", inputs: "Mapping[str, Tensor]", config: TextHeadFields, sentence: str, phase: Phase
) -> "Tensor":
    """Logits [batch class]; `sentence` is the name of the backbone's own embedding of the text."""
    features = pool(layers, inputs, config.pooling, sentence)  # [batch hidden]
    return head_logits(layers, features, config.dropout_prob if phase == "train" else 0.0)
