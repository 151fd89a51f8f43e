"""How the vectors of all tokens become the one of the text: first token, mean, maximum or attention."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from palm.schema.fields import ParadigmFields
from palm.spec import Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

Pooling = Literal["cls", "mean", "max", "attention"]

_MASKED = -1e9  # below every feature and score; the softmax of it is an exact 0 in float32


class PoolingFields(ParadigmFields):
    """Keys of a paradigm that works on whole texts."""

    pooling: Pooling = Field(
        "cls",
        description="What stands for the text: `cls` (the encoder's pooler on the first token), or the `mean`, `max` "
        "or learned `attention` over the vectors of all tokens.",
    )


def pooled_reader_inputs(pooling: Pooling) -> Specs:
    """What pooling takes from the reader's batch."""
    return {} if pooling == "cls" else {"input_mask": Spec("batch seq", "float32")}


def pooled_backbone_inputs(pooling: Pooling, sentence: str) -> Specs:
    """What pooling takes from the backbone: `sentence` is the name of its own sentence embedding."""
    if pooling == "cls":
        return {sentence: Spec("batch hidden", "float32")}
    return {"encoder_outputs": Spec("batch seq hidden", "float32")}


def add_pooling(layers: "nn.Layer", pooling: Pooling, size: int, initializer_range: float) -> None:
    """Give `layers` what `pooling` learns: `attention_pooling`, weight [size 1]."""
    if pooling != "attention":
        return
    from paddle import ParamAttr, nn

    weight = ParamAttr(initializer=nn.initializer.Normal(0.0, initializer_range))
    layers["attention_pooling"] = nn.Linear(size, 1, weight_attr=weight, bias_attr=False)


def pool(layers: "nn.Layer", inputs: "Mapping[str, Tensor]", pooling: Pooling, sentence: str) -> "Tensor":
    """The text's vector, [batch hidden]. Padding has no part in it; [CLS] and [SEP] have."""
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
    shares = functional.softmax(layers.attention_pooling(encoded) + padding, axis=1)  # [batch seq 1]
    weighted: Tensor = (encoded * shares).sum(1)
    return weighted
