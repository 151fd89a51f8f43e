"""Scores of every span of a text, for each type: efficient global pointer or biaffine, and their losses.

A span is a cell [start end] of a square of tokens; its score is that of a type over none, so that it is predicted
above 0. Spans that end before they start, or touch padding, are far below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from palm.schema.facts import Key
from palm.schema.fields import ClassCountFields, Float, Int, ParadigmFields

if TYPE_CHECKING:
    from paddle import Tensor, nn

_ROTATION_BASE = 10000.0
MASKED = -1e9
"""Score of a cell that is no span: its exponent is exactly 0 in float32."""

SpanScorer = Literal["global_pointer", "biaffine"]


class SpanScorerFields(ClassCountFields, ParadigmFields):
    """Keys of heads that score spans."""

    span_scorer: Annotated[SpanScorer, Key(export="fixed")] = Field(
        "global_pointer",
        description="How spans are scored: `global_pointer` (each type by itself, by its own threshold) or `biaffine` "
        "(one type per span; spans that cross a better one are left out).",
    )
    span_head_size: Annotated[Int, Key(export="fixed")] = Field(
        64, ge=2, description="Width of the vectors by which span_scorer compares the first and last token of a span."
    )
    span_threshold: Float = Field(
        0.0,
        ge=-100,
        le=100,
        description="Spans are predicted whose score, the logit of their type over none, is above it; higher: fewer.",
    )

    @model_validator(mode="after")
    def _check_size(self) -> "SpanScorerFields":
        if self.span_scorer == "global_pointer" and self.span_head_size % 2:
            rule = "span_head_size must be even with `span_scorer: global_pointer`, which turns pairs of numbers"
            raise ValueError(f"{rule}, found {self.span_head_size}")
        return self


@dataclass(frozen=True)
class Scorer:
    """One way to score spans.

    Attributes:
        build: Its parameters, from its keys, the encoder's width and the number of types.
        score: Scores [batch type seq seq] from features [batch seq hidden], before spans are masked.
        sum_losses: The sum of losses of scores and gold cells, both [batch type seq seq].
        is_exclusive: Whether a span has one type at most.
        is_per_token: Whether the loss is a mean over tokens; else over texts.
    """

    build: "Callable[[SpanScorerFields, int, int], nn.Layer]"
    score: "Callable[[nn.Layer, Tensor, int], Tensor]"
    sum_losses: "Callable[[Tensor, Tensor], Tensor]"
    is_exclusive: bool
    is_per_token: bool


def mask_spans(scores: "Tensor", input_mask: "Tensor") -> "Tensor":
    """Scores [batch type seq seq] with what is no span far below; `input_mask` float32[batch seq]."""
    import paddle

    pairs = input_mask.unsqueeze(2) * input_mask.unsqueeze(1)  # [batch seq seq]
    return scores.astype("float32") + ((1.0 - paddle.triu(pairs)) * MASKED).unsqueeze(1)


def gold_cells(labels: "Tensor", shape: list[int]) -> "Tensor":
    """1 in the cells of gold spans, float32[batch type seq seq].

    Args:
        labels: First token, last token and type of each span, int64[batch span 3]; negative where there is none.
        shape: Sizes of the result.
    """
    import paddle

    batch, types, seq, _ = shape
    size = batch * types * seq * seq
    rows = paddle.arange(batch).unsqueeze(1)  # [batch 1]
    start, end, kind = (labels[:, :, part] for part in range(3))  # [batch span]
    cells = ((rows * types + kind) * seq + start) * seq + end
    cells = paddle.where(kind < 0, paddle.full_like(cells, size), cells).flatten()  # the cell behind all is dropped
    flat = paddle.scatter(paddle.zeros([size + 1]), cells, paddle.ones([cells.shape[0]]))
    gold: Tensor = flat[:size].reshape(shape)
    return gold


def circle_losses(scores: "Tensor", gold: "Tensor") -> "Tensor":
    """The multi-label loss of each row of `scores` and `gold`, [row cell] → [row].

    `log(1 + Σ exp(s) over the others) + log(1 + Σ exp(-s) over the gold cells)`: arXiv:2208.03054, section 2.2, and
    https://kexue.fm/archives/7359.
    """
    import paddle
    from paddle.nn import functional

    others = paddle.logsumexp(scores + gold * MASKED, axis=-1)
    wanted = paddle.logsumexp((1.0 - gold) * MASKED - scores * gold, axis=-1)
    losses: Tensor = functional.softplus(others) + functional.softplus(wanted)
    return losses


def rotation_rates(size: int) -> NDArray[np.float32]:
    """The angle by which each number turns from one token to the next: float32[size]."""
    exponents = np.arange(0, size, 2, dtype="float32") / np.float32(size)
    return np.tile(np.float32(1) / np.power(np.float32(_ROTATION_BASE), exponents), 2)


def _build_pointer(config: SpanScorerFields, hidden: int, types: int) -> "nn.Layer":
    from paddle import nn

    size = config.span_head_size
    layers = {"pointer": _linear(config, hidden, 2 * size), "edges": _linear(config, 2 * size, 2 * types)}
    return nn.LayerDict(layers)


def _score_pointer(layers: "nn.Layer", features: "Tensor", types: int) -> "Tensor":
    """Efficient global pointer, arXiv:2208.03054, equation 9, with rotary positions (arXiv:2104.09864).

    The scale and the half are those of its code, https://github.com/bojone/bert4keras, bert4keras/layers.py.
    """
    import paddle

    from palm.kernels.products import product

    both = layers.pointer(features)  # [batch seq 2*size]
    size = both.shape[-1] // 2
    # Of three axes: static programs on the CPU multiply arrays of other ranks wrongly (oneDNN).
    places = paddle.arange(features.shape[1]).astype("float32").unsqueeze([0, 2])  # [1 seq 1]
    turned = places * paddle.to_tensor(rotation_rates(size)).unsqueeze([0, 1])  # [1 seq size]
    cosine, sine = paddle.cos(turned), paddle.sin(turned)
    query, key = (_rotated(part, cosine, sine) for part in (both[:, :, :size], both[:, :, size:]))
    scores = product(query, key, transpose_other=True) / size**0.5  # [batch seq seq]
    edges = layers.edges(both).transpose([0, 2, 1]) / 2  # [batch 2*types seq]
    found: Tensor = scores.unsqueeze(1) + edges[:, :types].unsqueeze(3) + edges[:, types:].unsqueeze(2)
    return found  # [batch type seq seq]


def _rotated(values: "Tensor", cosine: "Tensor", sine: "Tensor") -> "Tensor":
    import paddle

    half = values.shape[-1] // 2
    turned = paddle.concat([-values[:, :, half:], values[:, :, :half]], axis=-1)
    return values * cosine + turned * sine


def _pointer_losses(scores: "Tensor", gold: "Tensor") -> "Tensor":
    types = scores.shape[1]
    rows = scores.shape[0] * types
    total: Tensor = circle_losses(scores.reshape([rows, -1]), gold.reshape([rows, -1])).sum()
    loss: Tensor = total / types
    return loss


def _build_biaffine(config: SpanScorerFields, hidden: int, types: int) -> "nn.Layer":
    from paddle import nn

    size, classes = config.span_head_size, types + 1  # the first class is no span
    layers = {
        "start": _linear(config, hidden, size),
        "end": _linear(config, hidden, size),
        "bilinear": _linear(config, size, classes * size, bias=False),
        "start_edges": _linear(config, size, classes, bias=False),
        "end_edges": _linear(config, size, classes),
    }
    return nn.LayerDict(layers)


def _score_biaffine(layers: "nn.Layer", features: "Tensor", types: int) -> "Tensor":
    """A biaffine classifier of the first and the last token, arXiv:2005.07150, section 3."""
    from paddle.nn import functional

    from palm.kernels.products import product

    start, end = (functional.relu(layer(features)) for layer in (layers.start, layers.end))  # [batch seq size]
    size = start.shape[-1]
    mapped = layers.bilinear(start).reshape([0, 0, types + 1, size]).transpose([0, 2, 1, 3])  # [batch class seq size]
    scores = product(mapped, end.unsqueeze(1), transpose_other=True)  # [batch class seq seq]
    scores = scores + layers.start_edges(start).transpose([0, 2, 1]).unsqueeze(3)
    scores = scores + layers.end_edges(end).transpose([0, 2, 1]).unsqueeze(2)
    found: Tensor = scores[:, 1:] - scores[:, :1]  # [batch type seq seq]
    return found


def _biaffine_losses(scores: "Tensor", gold: "Tensor") -> "Tensor":
    """Cross entropy of every span, whose scores are the logits of its types over that of none.

    The gold probability of a span with several types is divided among them.
    """
    import paddle
    from paddle.nn import functional

    wanted = (scores * gold).sum(1) / gold.sum(1).clip(min=1.0)  # [batch seq seq]
    total: Tensor = (functional.softplus(paddle.logsumexp(scores, axis=1)) - wanted).sum()
    return total


def _linear(config: SpanScorerFields, size: int, out: int, *, bias: bool = True) -> "nn.Layer":
    from paddle import ParamAttr, nn

    weight = ParamAttr(initializer=nn.initializer.Normal(0.0, config.initializer_range))
    zero = ParamAttr(initializer=nn.initializer.Constant(0.0)) if bias else False
    return nn.Linear(size, out, weight_attr=weight, bias_attr=zero)


SCORERS: dict[SpanScorer, Scorer] = {
    "global_pointer": Scorer(_build_pointer, _score_pointer, _pointer_losses, is_exclusive=False, is_per_token=False),
    "biaffine": Scorer(_build_biaffine, _score_biaffine, _biaffine_losses, is_exclusive=True, is_per_token=True),
}
