"""Operations whose backward pass is slow in Paddle's CPU build, with a faster one.

Each is exact: forward computes the same as Paddle's operation, backward its derivative, from cheap operations. Measured
on Paddle 3.3.1, milliseconds for [4096 1536] floats: a sum over rows 34, as a product with ones 1; a bias added 8, as a
product and a sum 2.5; dropout 66, with numpy's generator 12; heads transposed 27 as a view copied later, 0.4 at once.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional

from palm.kernels.batch_position import rows_before
from palm.kernels.products import product

_ORDERS_KEPT = 64
_BITS = 16  # random bits per element: probabilities are rounded to 1/65536
_PER_BLOCK = 256 // _BITS  # elements of a block of Philox, the unit of its `advance`

Context = Any  # paddle.autograd.PyLayerContext, which has no typed attributes


class Linear(PyLayer):
    """`rows @ weight + bias`."""

    @staticmethod
    def forward(ctx: Context, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight, bias)
        mapped = product(rows, weight)
        ones = paddle.ones([rows.shape[0], 1], rows.dtype)
        return mapped.add_(product(ones, bias.unsqueeze(0)))

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        rows, weight, bias = ctx.saved_tensor()
        return (
            None if rows.stop_gradient else product(gradient, weight, transpose_other=True),
            None if weight.stop_gradient else product(rows, gradient, transpose_one=True),
            None if bias.stop_gradient else sum_rows(gradient),
        )


class LayerNormFunction(PyLayer):
    """Layer normalisation over the last of two axes (arXiv:1607.06450)."""

    @staticmethod
    def forward(ctx: Context, rows: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        centred = rows - mean_columns(rows)
        rate = paddle.rsqrt(mean_columns(centred * centred) + epsilon)  # [rows 1]
        normal = centred.multiply_(rate)
        ctx.save_for_backward(normal, rate, weight, bias)
        ctx.frozen = rows.stop_gradient
        return normal * weight + bias

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        normal, rate, weight, bias = ctx.saved_tensor()
        inner = gradient * weight
        along = normal * mean_columns(inner * normal)
        return (
            None if ctx.frozen else (inner - mean_columns(inner)).subtract_(along).multiply_(rate),
            None if weight.stop_gradient else sum_rows(gradient * normal),
            None if bias.stop_gradient else sum_rows(gradient),
        )


class Gelu(PyLayer):
    """`x Φ(x)` with the exact distribution function of the normal distribution (arXiv:1606.08415)."""

    @staticmethod
    def forward(ctx: Context, values: Tensor) -> Tensor:
        cdf = paddle.scale(paddle.erf(values * math.sqrt(0.5)), 0.5, 0.5)  # Φ(x)
        ctx.save_for_backward(values, cdf)
        return values * cdf

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        values, cdf = ctx.saved_tensor()
        density = paddle.exp(values * values * -0.5)  # φ(x) √2π
        slope = density.multiply_(values * (1 / math.sqrt(2 * math.pi))).add_(cdf)
        return slope.multiply_(gradient)


class DropoutFunction(PyLayer):
    """Zero a random fraction of the values; scale the others so that the mean stays."""

    @staticmethod
    def forward(ctx: Context, values: Tensor, probability: float, before: int = 0) -> Tensor:
        keep, ctx.scale = sample_keep_mask(values.shape, probability, before=before)
        ctx.save_for_backward(keep)
        return _masked(values, keep).scale_(ctx.scale)

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        (keep,) = ctx.saved_tensor()
        return _masked(gradient, keep).scale_(ctx.scale)


class AttentionFunction(PyLayer):
    """Scaled dot-product attention (arXiv:1706.03762) of all heads, with dropout of the probabilities."""

    @staticmethod
    def forward(ctx: Context, qkv: Tensor, mask: Tensor | None, heads: int, seq: int, probability: float) -> Tensor:
        """`qkv` [batch*seq 3*hidden], `mask` [batch 1 1 seq] → [batch*seq hidden]."""
        size = qkv.shape[1] // (3 * heads)
        split = transposed(qkv.reshape([-1, seq, 3, heads, size]), [2, 0, 3, 1, 4])
        query, key, value = split.unbind(0)  # [batch heads seq size]
        query = query * size**-0.5
        scores = product(query, key, transpose_other=True)  # [batch heads seq seq]
        if mask is not None:
            scores = scores.add_(mask.expand(scores.shape).contiguous())
        probabilities = functional.softmax(scores)
        ctx.scale, keep = 1.0, None
        if probability > 0:
            before = rows_before(probabilities.shape[0])
            keep, ctx.scale = sample_keep_mask(probabilities.shape, probability, before=before)
        kept = probabilities if keep is None else _masked(probabilities, keep)
        context = product(kept, value) * ctx.scale  # [batch heads seq size]
        ctx.save_for_backward(query, key, value, probabilities, context, keep)
        return transposed(context, [0, 2, 1, 3]).reshape([-1, heads * size])

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        query, key, value, probabilities, context, keep = ctx.saved_tensor()
        _, heads, seq, size = query.shape
        by_head = transposed(gradient.reshape([-1, seq, heads, size]), [0, 2, 1, 3])
        # Row sums of probabilities * their gradient are those of context * its gradient: arXiv:2205.14135, appendix B.
        along = (by_head * context).sum(-1, keepdim=True)  # [batch heads seq 1]
        by_head = by_head * ctx.scale
        kept = probabilities if keep is None else _masked(probabilities, keep)
        value_gradient = product(kept, by_head, transpose_one=True)
        probability_gradient = product(by_head, value, transpose_other=True)
        probability_gradient = probability_gradient if keep is None else _masked(probability_gradient, keep)
        score_gradient = probability_gradient.subtract_(along).multiply_(probabilities)
        query_gradient = product(score_gradient, key) * size**-0.5
        key_gradient = product(score_gradient, query, transpose_one=True)
        stacked = paddle.stack([query_gradient, key_gradient, value_gradient])  # [3 batch heads seq size]
        return transposed(stacked, [1, 3, 0, 2, 4]).reshape([-1, 3 * heads * size])


linear: Callable[[Tensor, Tensor, Tensor], Tensor] = Linear.apply
layer_norm: Callable[[Tensor, Tensor, Tensor, float], Tensor] = LayerNormFunction.apply
gelu: Callable[[Tensor], Tensor] = Gelu.apply
dropout: Callable[[Tensor, float, int], Tensor] = DropoutFunction.apply
attention: Callable[[Tensor, Tensor | None, int, int, float], Tensor] = AttentionFunction.apply


def sum_rows(rows: Tensor) -> Tensor:
    """[rows width] → [width], as a product."""
    return product(paddle.ones([1, rows.shape[0]], rows.dtype), rows).squeeze(0)


def mean_columns(rows: Tensor) -> Tensor:
    """[rows width] → [rows 1], as a product."""
    return product(rows, paddle.full([rows.shape[1], 1], 1 / rows.shape[1], rows.dtype))


def transposed(values: Tensor, order: Sequence[int]) -> Tensor:
    """`values` with its axes in `order`, of which the last stays, as a copy: rows that are gathered.

    Whatever uses one of Paddle's views copies it 50 times slower. The flag that has Paddle copy at once is not an
    option: it is one for all threads, and an operation elsewhere would then read a view as if it lay in order.
    """
    *leading, width = values.shape
    numbers = paddle.to_tensor(_row_numbers(tuple(leading), tuple(order[:-1])))
    rows: Tensor = paddle.gather(values.reshape([-1, width]), numbers)
    return rows.reshape([values.shape[axis] for axis in order])


@lru_cache(_ORDERS_KEPT)
def _row_numbers(leading: tuple[int, ...], order: tuple[int, ...]) -> NDArray[np.int64]:
    numbers = np.arange(math.prod(leading), dtype=np.int64).reshape(leading)
    moved: NDArray[np.int64] = numbers.transpose(order).ravel()
    return moved


def sample_keep_mask(shape: list[int], probability: float, *, before: int = 0) -> tuple[Tensor, float]:
    """The elements that dropout keeps, bool[shape], and the factor that preserves the mean; from `paddle.seed`.

    They are those after the first `before` rows of a larger batch.
    """
    seed = int(paddle.randint(0, 2**31 - 1, []))
    count, skipped = math.prod(shape), before * math.prod(shape[1:])
    blocks, inside = divmod(skipped, _PER_BLOCK)
    bits = np.random.Philox(seed)
    if blocks:
        bits.advance(blocks)
    words = bits.random_raw(-(-(inside + count) * _BITS // 64))
    dropped = round(probability * 2**_BITS)
    keep = words.view(np.uint16)[inside : inside + count].reshape(shape) >= dropped
    return paddle.to_tensor(keep), 1 / (1 - dropped / 2**_BITS)


def _masked(values: Tensor, keep: Tensor) -> Tensor:
    return values * keep.astype(values.dtype)
