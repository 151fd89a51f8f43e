"""Linear maps and attention probabilities of layers that are computed operation by operation.

Products are in bfloat16 where mixed precision asks for it; probabilities come from the fused kernels where they fit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional

from palm.kernels import plain
from palm.kernels.autograd import Context, sample_keep_mask, sum_rows
from palm.kernels.batch_position import current_position, rows_before
from palm.kernels.fused.bf16 import bf16_product, rounded, rounded_product
from palm.kernels.fused.layer import ACTIVATIONS, sample_seed
from palm.kernels.fused.library import load_kernels
from palm.kernels.products import Product, in_bf16, product

MIN_BF16_ROWS = 128
"""Rows from which on scores over a vocabulary are faster in bfloat16."""


def product_in(*, bf16: bool) -> Product:
    """The function for matrix products in bfloat16 or float32."""
    return bf16_product if bf16 else product


def on_cpu(values: Tensor) -> bool:
    """Whether the faster backward passes for the CPU apply: not on a GPU, and not in a static graph."""
    return bool(paddle.in_dynamic_mode() and values.place.is_cpu_place())


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None, *, bf16: bool = False) -> Tensor:
    """`rows @ weight + bias`: [rows in] → [rows out]."""
    if not on_cpu(rows):
        return functional.linear(rows, weight, bias)
    return _linear(rows, weight, bias, bf16)


def vocabulary_scores(features: Tensor, table: Tensor) -> Tensor:
    """`features @ table.T`, [row emb] and [vocab emb] → [row vocab]; in bfloat16 where mixed precision asks for it.

    Not with few rows: rounding the table then takes longer than a product in float32.
    """
    if in_bf16() and on_cpu(features) and features.shape[0] >= MIN_BF16_ROWS:
        return _vocabulary_scores(features, table)
    return product(features, table, transpose_other=True)


class VocabularyFunction(PyLayer):
    """`features @ table.T` in bfloat16; table and gradient, which are large, are rounded once."""

    @staticmethod
    def forward(ctx: Context, features: Tensor, table: Tensor) -> Tensor:
        ctx.needed = [not each.stop_gradient for each in (features, table)]
        features, table = rounded(features), rounded(table)
        ctx.save_for_backward(features, table)
        return rounded_product(features, table, transpose_other=True)

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        features, table = ctx.saved_tensor()
        gradient = rounded(gradient)
        return (
            rounded_product(gradient, table) if ctx.needed[0] else None,
            rounded_product(gradient, features, transpose_one=True) if ctx.needed[1] else None,
        )


_vocabulary_scores: Callable[[Tensor, Tensor], Tensor] = VocabularyFunction.apply


class DenseFunction(PyLayer):
    """`rows @ weight + bias`; the bias may be left out."""

    @staticmethod
    def forward(ctx: Context, rows: Tensor, weight: Tensor, bias: Tensor | None, bf16: bool) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.product, ctx.has_bias = product_in(bf16=bf16), bias is not None
        ctx.needed = [not each.stop_gradient for each in (rows, weight, bias) if each is not None]
        mapped: Tensor = ctx.product(rows, weight)
        if bias is None:
            return mapped
        return mapped.add_(product(paddle.ones([rows.shape[0], 1], rows.dtype), bias.unsqueeze(0)))

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        rows, weight = ctx.saved_tensor()
        found = [
            ctx.product(gradient, weight, transpose_other=True) if ctx.needed[0] else None,
            ctx.product(rows, gradient, transpose_one=True) if ctx.needed[1] else None,
        ]
        if ctx.has_bias:
            found.append(sum_rows(gradient) if ctx.needed[2] else None)
        return tuple(found)


_linear: Callable[[Tensor, Tensor, Tensor | None, bool], Tensor] = DenseFunction.apply


def activation(values: Tensor, name: str, *, fused: bool) -> Tensor:
    """`plain.activation` of [rows width], by the fused kernels if `fused`."""
    if fused and on_cpu(values) and name in ACTIVATIONS:
        return _activation(values, ACTIVATIONS[name])
    return plain.activation(values, name)


class FusedActivation(PyLayer):
    """A non-linearity of [rows width]."""

    @staticmethod
    def forward(ctx: Context, values: Tensor, kind: int) -> Tensor:
        values, active = values.contiguous(), paddle.empty(values.shape, values.dtype)
        load_kernels()("activate", values, paddle.zeros(values.shape[1:]), active, *values.shape, kind)
        ctx.save_for_backward(values)
        ctx.kind = kind
        return active

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensor()
        found, unused = gradient.clone(), paddle.empty(values.shape[1:], values.dtype)
        load_kernels()("activate_gradient", values, found, unused, *values.shape, ctx.kind)
        return found


_activation: Callable[[Tensor, int], Tensor] = FusedActivation.apply


@dataclass(frozen=True)
class Probabilities:
    """Softmax of attention scores, and the part of it that dropout keeps.

    Attributes:
        values: [..., queries keys]; from the fused kernels, those that dropout zeroed are stored negated.
        keep: What dropout keeps, bool; None without dropout, and from the fused kernels.
        dropout: Its probability.
        scale: Factor of what is kept.
        fused: Whether the fused kernels computed them.
    """

    values: Tensor
    keep: Tensor | None
    dropout: float
    scale: float
    fused: bool

    def dropped(self) -> Tensor:
        """The probabilities after dropout."""
        if self.fused and self.dropout:
            found = paddle.empty_like(self.values)
            load_kernels()("dropped_shares", self.values, found, found.size, self.dropout)
            return found
        return self.values if self.keep is None else (self.values * self.keep.astype(self.values.dtype)) * self.scale

    def score_gradient(self, gradient: Tensor) -> Tensor:
        """From the gradient of the probabilities after dropout to that of the scores; overwrites it."""
        if self.fused:
            keys = gradient.shape[-1]
            load_kernels()("shares_gradient", self.values, gradient, gradient.size // keys, keys, self.dropout)
            return gradient
        if self.keep is not None:
            gradient = (gradient * self.keep.astype(gradient.dtype)).scale_(self.scale)
        along = (gradient * self.values).sum(-1, keepdim=True)
        return gradient.subtract_(along).multiply_(self.values)


def attention_probabilities(
    scores: Tensor, mask: Tensor | None, dropout: float, *, fused: bool, by_head: bool = False
) -> Probabilities:
    """Softmax of `scores` over the last axis, on the CPU; it overwrites them.

    Args:
        scores: float32[batch ... queries keys], or float32[heads batch queries keys].
        mask: Added to the scores: of a shape that broadcasts to theirs.
        dropout: Dropout of the probabilities.
        fused: Whether the fused kernels may compute it.
        by_head: Whether the first axis of `scores` is that of the heads.
    """
    if mask is not None:
        scores = scores.add_(mask.expand(scores.shape).contiguous())
    queries, keys = scores.shape[-2:]
    if fused and queries == keys:
        seed = sample_seed() if dropout else 0
        unused = paddle.empty_like(scores) if dropout else scores
        for part, before in _by_head(scores) if by_head else [(scores, rows_before(scores.size // keys))]:
            load_kernels()("shares", part, None, unused, part.size // (queries * keys), 1, keys, dropout, seed, before)
        return Probabilities(scores, None, dropout, 1.0, True)
    values = functional.softmax(scores)
    if not dropout:
        return Probabilities(values, None, dropout, 1.0, False)
    position = current_position()
    if by_head and position is not None:
        heads, batch, *rest = values.shape
        keep, scale = sample_keep_mask([heads, position.total, *rest], dropout)
        keep = keep[:, position.sequences : position.sequences + batch]
    else:
        keep, scale = sample_keep_mask(values.shape, dropout, before=rows_before(values.shape[0]))
    return Probabilities(values, keep, dropout, scale, False)


def _by_head(scores: Tensor) -> list[tuple[Tensor, int]]:
    """Scores [heads batch queries keys] in parts, each with the number of rows before it in the whole batch's."""
    position, (_, batch, queries, _) = current_position(), scores.shape
    if position is None or position.total == batch:
        return [(scores, 0)]
    firsts = ((head * position.total + position.sequences) * queries for head in range(len(scores)))
    return list(zip(scores.unbind(0), firsts, strict=True))
