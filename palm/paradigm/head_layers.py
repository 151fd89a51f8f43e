"""The kinds of head: a linear layer, or something learned in front of it."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from palm.paradigm.linear_head import build_linear_head, project
from palm.schema.fields import Int, ParadigmFields

if TYPE_CHECKING:
    from paddle import Tensor, nn

HeadKind = Literal["linear", "mlp", "bilstm", "crf", "bilstm_crf"]


class HeadFields(ParadigmFields):
    """Keys of a paradigm whose head comes in kinds."""

    head: HeadKind = Field(
        "linear",
        description="Kind of head: `linear`; `mlp` (a tanh layer in front of it); for seq_label also `bilstm`, `crf` "
        "(labels that follow each other are scored, the best sequence is decoded) and `bilstm_crf`.",
    )
    head_hidden_size: Int | None = Field(
        None, ge=1, description="Width of the head's inner layer (bilstm: of each direction); the encoder's when unset."
    )


def head_form(config: HeadFields) -> tuple[object, ...]:
    """What makes the parameters of this head differ from those of a linear one; empty for a linear one."""
    return () if config.head == "linear" else (config.head, config.head_hidden_size)


def build_head(config: HeadFields, size: int, classes: int, *, bias: bool = True) -> "nn.Layer":
    """The head's parameters for features `size` wide; the last layer has a `bias` or none."""
    from paddle import ParamAttr, nn

    inner = config.head_hidden_size or size
    drawn = ParamAttr(initializer=nn.initializer.Normal(0.0, config.initializer_range))
    zero = ParamAttr(initializer=nn.initializer.Constant(0.0))
    if config.head in ("bilstm", "bilstm_crf"):
        layers = build_linear_head(2 * inner, classes, config.initializer_range, bias=bias)
        layers["lstm"] = nn.LSTM(
            size,
            inner,
            direction="bidirect",
            weight_ih_attr=drawn,
            weight_hh_attr=drawn,
            bias_ih_attr=zero,
            bias_hh_attr=zero,
        )
    elif config.head == "mlp":
        layers = build_linear_head(inner, classes, config.initializer_range, bias=bias)
        layers["inner"] = nn.Linear(size, inner, weight_attr=drawn)
    else:
        layers = build_linear_head(size, classes, config.initializer_range, bias=bias)
    return layers


def head_logits(
    layers: "nn.Layer", features: "Tensor", dropout_prob: float, *, lengths: "Tensor | None" = None
) -> "Tensor":
    """Logits [... class] of `features` [... size]; `lengths` int64[batch] are the tokens of each row, for a bilstm."""
    import paddle
    from paddle.nn import functional

    if hasattr(layers, "lstm"):
        features = functional.dropout(features, dropout_prob, training=dropout_prob > 0)
        features, _ = layers.lstm(features, sequence_length=lengths)  # [batch seq 2*inner]
    elif hasattr(layers, "inner"):
        features = functional.dropout(features, dropout_prob, training=dropout_prob > 0)
        features = paddle.tanh(layers.inner(features))
    return project(layers, features, dropout_prob)
