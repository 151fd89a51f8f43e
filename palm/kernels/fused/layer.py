"""An encoder layer as one operation of autograd: C kernels between Paddle's matrix products.

Shapes: `rows` is batch*seq; attention's tensors are [batch heads seq size], its probabilities
[batch heads seq seq]; the kernels `probabilities`, `dropped_shares` and `shares_gradient` compute with the latter.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from palm.kernels import plain
from palm.kernels.autograd import Context
from palm.kernels.batch_position import rows_before
from palm.kernels.contract import LayerSettings, LayerWeights, Rows
from palm.kernels.fused.bf16 import bf16_product
from palm.kernels.fused.library import KernelLibrary, load_kernels
from palm.kernels.products import Product
from palm.kernels.products import product as float32_product

ACTIVATIONS = {"gelu": 0, "relu": 1, "tanh": 2}
"""Value of `hidden_act` → its number in the C kernels."""


@dataclass(frozen=True)
class Attended:
    """Tensors that attention saves for its gradient."""

    query: Tensor
    key: Tensor
    value: Tensor
    probabilities: Tensor
    context: Tensor


@dataclass(frozen=True)
class Normed:
    """Tensors that layer normalisation saves: its input, and the mean and 1/deviation of each row."""

    values: Tensor
    mean: Tensor
    rate: Tensor


@dataclass(frozen=True)
class Seeds:
    """Seeds of the layer's three dropouts."""

    probabilities: int
    attended: int
    outer: int


def compute_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """The fused encoder layer; the plain one where it does not apply (float64, static graphs, gelu_new)."""
    if fits(hidden) and settings.activation in ACTIVATIONS:
        bias = () if rows.bias is None else (rows.bias,)
        return _apply(hidden, *fields(weights), settings, _with_flat_mask(rows), *bias)
    return plain.compute_layer(hidden, weights, settings=settings, rows=rows)


def layer_norm(values: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """`plain.layer_norm`, fused."""
    if not fits(values):
        return plain.layer_norm(values, weight, bias, epsilon)
    return _layer_norm(values, weight, bias, epsilon)


def dropout(values: Tensor, probability: float, *, before: int | None = None) -> Tensor:
    """`plain.dropout`, fused, for [rows width]."""
    if probability == 0 or not fits(values):
        return plain.dropout(values, probability, before=before)
    return _dropout(values, probability, rows_before(values.shape[0]) if before is None else before)


def fields(weights: LayerWeights) -> tuple[Tensor, ...]:
    """The twelve parameters in the order of `LayerWeights`."""
    return tuple(getattr(weights, name) for name in LayerWeights.__dataclass_fields__)


class FusedLayer(PyLayer):
    """Forward and backward of the whole layer; no gradient is computed for frozen parameters."""

    @staticmethod
    def forward(ctx: Context, hidden: Tensor, *rest: Any) -> Tensor:  # noqa: ANN401 - 12 tensors, settings, rows, bias
        w, settings, rows = LayerWeights(*rest[:12]), rest[12], rest[13]
        run, seeds, product = load_kernels(), sample_seeds(settings), product_of(settings)
        hidden = hidden.contiguous()
        attended = attend(run, product(hidden, w.qkv_weight), w.qkv_bias, settings, rows, seeds.probabilities)
        norm = (w.attention_norm_weight, w.attention_norm_bias)
        drop = (settings.epsilon, settings.hidden_dropout)
        mapped = product(attended.context, w.output_weight)
        middle, first = add_norm(run, mapped, w.output_bias, hidden, norm, *drop, seeds.attended)
        inner = product(middle, w.intermediate_weight)
        active = paddle.empty_like(inner)
        run("activate", inner, w.intermediate_bias, active, *inner.shape, ACTIVATIONS[settings.activation])
        norm = (w.ffn_norm_weight, w.ffn_norm_bias)
        out, second = add_norm(run, product(active, w.ffn_weight), w.ffn_bias, middle, norm, *drop, seeds.outer)
        kept = (*_tensors(attended), *_tensors(first), middle, inner, active, *_tensors(second))
        ctx.save_for_backward(hidden, *rest[:12], *kept)
        ctx.settings, ctx.rows, ctx.seeds, ctx.before = settings, rows, seeds, rows_before(hidden.shape[0])
        ctx.needed = tuple(not tensor.stop_gradient for tensor in (hidden, *rest[:12], *rest[14:]))
        return out

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved = ctx.saved_tensor()
        hidden, w = saved[0], LayerWeights(*saved[1:13])
        attended, first, second = Attended(*saved[13:18]), Normed(*saved[18:21]), Normed(*saved[24:27])
        middle, inner, active = saved[21:24]
        settings, rows, seeds, run = ctx.settings, ctx.rows, ctx.seeds, load_kernels()
        product = product_of(settings)
        needs = LayerWeights(*ctx.needed[1:13])

        through, outer, *norm2 = add_norm_gradient(
            run, second, gradient, w.ffn_norm_weight, settings.hidden_dropout, seeds.outer, ctx.before
        )
        ffn_weight = _weight_gradient(product, active, outer, needs.ffn_weight)
        by_inner = product(outer, w.ffn_weight, transpose_other=True)
        intermediate_bias = paddle.empty_like(w.intermediate_bias)
        run("activate_gradient", inner, by_inner, intermediate_bias, *inner.shape, ACTIVATIONS[settings.activation])
        intermediate_weight = _weight_gradient(product, middle, by_inner, needs.intermediate_weight)
        by_middle = product(by_inner, w.intermediate_weight, transpose_other=True).add_(through)
        del through, outer, by_inner

        through, mapped, *norm1 = add_norm_gradient(
            run, first, by_middle, w.attention_norm_weight, settings.hidden_dropout, seeds.attended, ctx.before
        )
        output_weight = _weight_gradient(product, attended.context, mapped, needs.output_weight)
        by_context = product(mapped, w.output_weight, transpose_other=True)
        qkv, qkv_bias, scores = attend_gradient(run, attended, by_context, settings, rows)
        qkv_weight = _weight_gradient(product, hidden, qkv, needs.qkv_weight)
        by_hidden = product(qkv, w.qkv_weight, transpose_other=True).add_(through) if ctx.needed[0] else None
        found = (
            by_hidden,
            *(qkv_weight, qkv_bias, output_weight, norm1[2], norm1[0], norm1[1]),
            *(intermediate_weight, intermediate_bias, ffn_weight, norm2[2], norm2[0], norm2[1]),
            *(() if rows.bias is None else (scores.sum(0, keepdim=True),)),
        )
        return tuple(one if needed else None for one, needed in zip(found, ctx.needed, strict=True))


class FusedLayerNorm(PyLayer):
    """Layer normalisation of [rows width]."""

    @staticmethod
    def forward(ctx: Context, values: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        values = values.contiguous()
        out, normed = add_norm(load_kernels(), values, None, None, (weight, bias), epsilon, 0.0, 0)
        ctx.save_for_backward(*_tensors(normed), weight)
        ctx.needed = tuple(not tensor.stop_gradient for tensor in (values, weight, bias))
        return out

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        *normed, weight = ctx.saved_tensor()
        values, _, *norm = add_norm_gradient(load_kernels(), Normed(*normed), gradient, weight, 0.0, 0)
        found = (values, norm[0], norm[1])
        return tuple(one if needed else None for one, needed in zip(found, ctx.needed, strict=True))


class FusedDropout(PyLayer):
    """Zero a random fraction of [rows width], with a number of rows before; backward samples the same mask again."""

    @staticmethod
    def forward(ctx: Context, values: Tensor, probability: float, before: int) -> Tensor:
        ctx.probability, ctx.seed, ctx.before = probability, sample_seed(), before
        return FusedDropout.drop(values, ctx)

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        return FusedDropout.drop(gradient, ctx)

    @staticmethod
    def drop(values: Tensor, ctx: Context) -> Tensor:
        """Apply the mask, to values or to gradients."""
        dropped = paddle.empty_like(values)
        load_kernels()("dropout", values.contiguous(), dropped, *values.shape, ctx.probability, ctx.seed, ctx.before)
        return dropped


_apply: Callable[..., Tensor] = FusedLayer.apply
_layer_norm: Callable[[Tensor, Tensor, Tensor, float], Tensor] = FusedLayerNorm.apply
_dropout: Callable[[Tensor, float, int], Tensor] = FusedDropout.apply


def attend(run: KernelLibrary, qkv: Tensor, bias: Tensor, settings: LayerSettings, rows: Rows, seed: int) -> Attended:
    """Self-attention of all heads (arXiv:1706.03762).

    Args:
        run: The kernels.
        qkv: Queries, keys and values side by side, without bias, float32[batch*seq 3*hidden].
        bias: Their bias, float32[3*hidden].
        settings: Number of heads and dropout of the probabilities.
        rows: The sequences; their mask is float32[batch seq] here.
        seed: Seed of the dropout.
    """
    hidden = bias.shape[0] // 3
    sizes = (rows.batch, rows.seq, settings.heads, hidden // settings.heads)
    split = paddle.empty([3, rows.batch, settings.heads, rows.seq, sizes[-1]], qkv.dtype)
    run("split_heads", qkv, bias, split, *sizes, sizes[-1] ** -0.5)
    query, key, value = split.unbind(0)
    product = product_of(settings)
    probabilities = product(query, key, transpose_other=True)
    if rows.bias is not None:
        probabilities.add_(rows.bias)
    probability = settings.attention_dropout
    dropped = paddle.empty_like(probabilities) if probability else probabilities
    before = rows_before(rows.batch * settings.heads * rows.seq)
    run("shares", probabilities, rows.mask, dropped, rows.batch, settings.heads, rows.seq, probability, seed, before)
    by_head = product(dropped, value)
    context = paddle.empty([rows.batch * rows.seq, hidden], qkv.dtype)
    run("move_heads", by_head, context, *sizes, 0)
    return Attended(query, key, value, probabilities, context)


def attend_gradient(
    run: KernelLibrary, attended: Attended, gradient: Tensor, settings: LayerSettings, rows: Rows
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `qkv`, of its bias and of the scores, from that of the context."""
    hidden, probability = gradient.shape[1], settings.attention_dropout
    sizes = (rows.batch, rows.seq, settings.heads, hidden // settings.heads)
    by_head, product = paddle.empty_like(attended.query), product_of(settings)
    run("move_heads", gradient, by_head, *sizes, 1)
    dropped = attended.probabilities
    if probability:
        dropped = paddle.empty_like(attended.probabilities)
        run("dropped_shares", attended.probabilities, dropped, dropped.size, probability)
    value = product(dropped, by_head, transpose_one=True)
    del dropped
    scores = product(by_head, attended.value, transpose_other=True)
    run("shares_gradient", attended.probabilities, scores, scores.size // rows.seq, rows.seq, probability)
    query, key = product(scores, attended.key), product(scores, attended.query, transpose_one=True)
    qkv = paddle.empty([rows.batch * rows.seq, 3 * hidden], gradient.dtype)
    bias = paddle.empty([3 * hidden], gradient.dtype)
    run("split_heads_gradient", query, key, value, qkv, bias, *sizes, sizes[-1] ** -0.5)
    return qkv, bias, scores


def add_norm(
    run: KernelLibrary,
    values: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    norm: tuple[Tensor, Tensor],
    epsilon: float,
    probability: float,
    seed: int,
) -> tuple[Tensor, Normed]:
    """Layer normalisation of `residual + dropout(values + bias)`; `values` may be overwritten with that sum."""
    out = paddle.empty_like(values)
    mean, rate = paddle.empty([2, values.shape[0]], values.dtype).unbind(0)
    drop = (probability, seed, rows_before(values.shape[0]) if probability else 0)
    run("add_norm", values, bias, residual, *norm, out, mean, rate, *values.shape, epsilon, *drop)
    return out, Normed(values, mean, rate)


def add_norm_gradient(
    run: KernelLibrary, normed: Normed, gradient: Tensor, scale: Tensor, probability: float, seed: int, before: int = 0
) -> tuple[Tensor, ...]:
    """Gradients of the residual, of `values`, and of the normalisation's weight, its bias, and the bias before it.

    `before` is the number of rows before these in a batch that several processes share, as in the forward pass.
    """
    residual = paddle.empty_like(normed.values)
    values = paddle.empty_like(normed.values) if probability else None
    weight, shift, bias = (paddle.empty_like(scale) for _ in range(3))
    sums = (weight, shift, bias)
    kept = (normed.mean, normed.rate)
    run("add_norm_gradient", normed.values, gradient.contiguous(), scale, *kept, residual, values, *sums,
        *residual.shape, probability, seed, before if probability else 0)  # fmt: skip
    return residual, residual if values is None else values, weight, shift, bias


def product_of(settings: LayerSettings) -> Product:
    """The function for the layer's matrix products."""
    return bf16_product if settings.bf16 else float32_product


def sample_seeds(settings: LayerSettings) -> Seeds:
    """Seeds of the layer's dropouts, from `paddle.seed`, which the engine sets from the step number."""
    if not settings.attention_dropout and not settings.hidden_dropout:
        return Seeds(0, 0, 0)
    first = sample_seed()
    return Seeds(first, first ^ 0x3C6EF372, first ^ 0x78DDE6E4)


def sample_seed() -> int:
    """Sample a seed from Paddle's generator."""
    return int(paddle.randint(0, 2**31 - 1, []))


def _with_flat_mask(rows: Rows) -> Rows:
    """The same sequences, with the mask in the kernels' shape: float32[batch seq]."""
    if rows.mask is None:
        return rows
    return replace(rows, mask=rows.mask.reshape([rows.batch, rows.seq]).contiguous())


def _weight_gradient(product: Product, rows: Tensor, gradient: Tensor, needed: object) -> Tensor | None:
    return product(rows, gradient, transpose_one=True) if needed else None


def _tensors(kept: Attended | Normed) -> tuple[Tensor, ...]:
    return tuple(getattr(kept, name) for name in kept.__dataclass_fields__)


def fits(values: Tensor) -> bool:
    """Whether the C kernels can compute with `values`: float32 on the CPU, outside static graphs."""
    return bool(paddle.in_dynamic_mode() and values.dtype == paddle.float32 and values.place.is_cpu_place())
