"""Layers of heads: dropout and a linear, MLP or BiLSTM head, and the pooling before it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from palm.schema.facts import Key, when
from palm.schema.fields import Int, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


Pooling = Literal["cls", "mean", "max", "attention"]

_MASKED = -1e9  # below every feature and score; the softmax of it is an exact 0 in float32


class PoolingFields(ParadigmFields):
    """Keys of paradigms for whole texts."""

    pooling: Pooling = Field(
        "cls",
        description="The vector of a text: `cls` (the encoder's pooler on the first token), or the `mean`, `max` or "
        "learned `attention` over the vectors of all tokens.",
    )


def pooled_reader_inputs(pooling: Pooling) -> Specs:
    """The inputs of pooling from the reader's batch."""
    return {} if pooling == "cls" else {"input_mask": Spec("batch seq", "float32")}


def pooled_backbone_inputs(pooling: Pooling, sentence: str) -> Specs:
    """The inputs of pooling from the backbone: `sentence` is the name of its sentence embedding."""
    if pooling == "cls":
        return {sentence: Spec("batch hidden", "float32")}
    return {"encoder_outputs": Spec("batch seq hidden", "float32")}


def add_pooling(layers: "nn.Layer", pooling: Pooling, size: int, initializer_range: float) -> None:
    """Add the parameters of `pooling` to `layers`: `attention_pooling`, weight [size 1]."""
    if pooling != "attention":
        return
    from paddle import ParamAttr, nn

    weight = ParamAttr(initializer=nn.initializer.Normal(0.0, initializer_range))
    layers["attention_pooling"] = nn.Linear(size, 1, weight_attr=weight, bias_attr=False)


def pool(layers: "nn.Layer", inputs: "Mapping[str, Tensor]", pooling: Pooling, sentence: str) -> "Tensor":
    """The text's vector, [batch hidden], without padding but with [CLS] and [SEP]."""
    from paddle.nn import functional

    if pooling == "cls":
        return inputs[sentence]
    encoded, mask = inputs["encoder_outputs"], inputs["input_mask"].unsqueeze(-1)  # [batch seq hidden], [batch seq 1]
    if pooling == "mean":
        mean: Tensor = (encoded * mask).sum(1) / mask.sum(1)
        return mean
    padding = (1.0 - mask) * _MASKED
    if pooling == "max":
        highest: Tensor = (encoded + padding).max(1)
        return highest
    probabilities = functional.softmax(layers.attention_pooling(encoded) + padding, axis=1)  # [batch seq 1]
    weighted: Tensor = (encoded * probabilities).sum(1)
    return weighted


def build_linear_head(size: int, classes: int, initializer_range: float, *, bias: bool = True) -> "nn.Layer":
    """A layer `linear`: weight [size classes] from a normal distribution, bias [classes] of zeros, or none."""
    from paddle import ParamAttr, nn

    weight = ParamAttr(initializer=nn.initializer.Normal(0.0, initializer_range))
    return nn.LayerDict({"linear": nn.Linear(size, classes, weight_attr=weight, bias_attr=None if bias else False)})


def project(layers: "nn.Layer", features: "Tensor", dropout_prob: float) -> "Tensor":
    """`features` [... size] after dropout, as logits [... class]."""
    from palm.kernels import plain

    logits: Tensor = layers.linear(plain.dropout(features, dropout_prob))
    return logits


HeadKind = Literal["linear", "mlp", "bilstm", "crf", "bilstm_crf"]


class HeadFields(ParadigmFields):
    """Keys of paradigms with several kinds of heads."""

    head: HeadKind = Field(
        "linear",
        description="Kind of head: `linear`; `mlp` (with an additional tanh layer); for seq_label also `bilstm`, "
        "`crf` (scores transitions between labels and decodes the best sequence) and `bilstm_crf`.",
    )
    head_hidden_size: Annotated[Int | None, Key(read=(when(head=("mlp", "bilstm", "bilstm_crf")),))] = Field(
        None,
        ge=1,
        description="Width of the head's inner layer (bilstm: of each direction); by default that of the encoder.",
    )


def head_form(config: HeadFields) -> tuple[object, ...]:
    """The difference of this head's parameters from those of a linear one; empty for a linear one."""
    return () if config.head == "linear" else (config.head, config.head_hidden_size)


def build_head(config: HeadFields, size: int, classes: int, *, bias: bool = True) -> "nn.Layer":
    """The head's parameters for features of width `size`; the last layer has a `bias` or none."""
    from paddle import ParamAttr, nn

    inner = config.head_hidden_size or size
    normal = ParamAttr(initializer=nn.initializer.Normal(0.0, config.initializer_range))
    zero = ParamAttr(initializer=nn.initializer.Constant(0.0))
    if config.head in ("bilstm", "bilstm_crf"):
        layers = build_linear_head(2 * inner, classes, config.initializer_range, bias=bias)
        layers["lstm"] = nn.LSTM(
            size,
            inner,
            direction="bidirect",
            weight_ih_attr=normal,
            weight_hh_attr=normal,
            bias_ih_attr=zero,
            bias_hh_attr=zero,
        )
    elif config.head == "mlp":
        layers = build_linear_head(inner, classes, config.initializer_range, bias=bias)
        layers["inner"] = nn.Linear(size, inner, weight_attr=normal)
    else:
        layers = build_linear_head(size, classes, config.initializer_range, bias=bias)
    return layers


def head_logits(
    layers: "nn.Layer", features: "Tensor", dropout_prob: float, *, lengths: "Tensor | None" = None
) -> "Tensor":
    """Logits [... class] of `features` [... size]; `lengths` int64[batch]: tokens of each row, for a bilstm."""
    import paddle

    from palm.kernels import plain

    if hasattr(layers, "lstm"):
        features = plain.dropout(features, dropout_prob)
        features, _ = layers.lstm(features, sequence_length=lengths)  # [batch seq 2*inner]
    elif hasattr(layers, "inner"):
        features = plain.dropout(features, dropout_prob)
        features = paddle.tanh(layers.inner(features))
    return project(layers, features, dropout_prob)


class TextHeadFields(PoolingFields, HeadFields):
    """Keys of heads on whole texts."""

    @field_validator("head")
    @classmethod
    def _check_head(cls, head: HeadKind) -> HeadKind:
        if head not in ("linear", "mlp"):
            raise ValueError(f"a head on whole texts must be linear or mlp, found `{head}`, which labels each word")
        return head


def text_head_form(config: TextHeadFields) -> tuple[object, ...]:
    """The difference of this head's parameters from those of a linear layer on one vector; empty if none."""
    return head_form(config) + (("attention",) if config.pooling == "attention" else ())


def build_text_head(config: TextHeadFields, size: int, classes: int, *, bias: bool = True) -> "nn.Layer":
    """The head's parameters on an encoder of width `size`."""
    layers = build_head(config, size, classes, bias=bias)
    add_pooling(layers, config.pooling, size, config.initializer_range)
    return layers


def text_logits(
    layers: "nn.Layer", inputs: "Mapping[str, Tensor]", config: TextHeadFields, sentence: str, phase: Phase
) -> "Tensor":
    """Logits [batch class]; `sentence` is the name of the backbone's embedding of the text."""
    features = pool(layers, inputs, config.pooling, sentence)  # [batch hidden]
    return head_logits(layers, features, config.dropout_prob if phase == "train" else 0.0)
