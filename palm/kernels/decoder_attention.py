"""Attention of a decoder: queries and keys are of different sequences, or each query sees those before it alone.

On the CPU the fused kernels compute it in float32. Its products in bfloat16, and without these kernels in float32, are
Paddle's, with a backward pass of PALM's own.
"""

from collections.abc import Callable

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional

from palm.kernels import plain
from palm.kernels.autograd import Context, transposed
from palm.kernels.contract import DecoderAttention
from palm.kernels.dense import Probabilities, attention_probabilities, on_cpu, product_in
from palm.kernels.fused import decoder as fused_decoder
from palm.kernels.products import product

_HIDDEN_SCORE = -10000.0
"""Added to the scores of keys that a query does not see: softmax is then exactly 0 in float32."""


def causal_mask(length: int) -> Tensor:
    """Mask that is added to attention scores: each of `length` tokens sees itself and those before it.

    float32[1 1 query key]
    """
    hidden = paddle.triu(paddle.full([length, length], _HIDDEN_SCORE), diagonal=1)
    return hidden.unsqueeze([0, 1])  # [1 1 query key]


def attend(query: Tensor, key_value: Tensor, mask: Tensor | None, settings: DecoderAttention) -> Tensor:
    """Scaled dot-product attention of all heads (arXiv:1706.03762).

    Args:
        query: float32[batch*query hidden].
        key_value: Keys and values side by side, float32[batch*key 2*hidden].
        mask: Added to the scores of keys, float32[batch 1 1 key]; without one, all are seen that `causal` lets be seen.
        settings: Those of the attention.

    Returns:
        float32[batch*query hidden]
    """
    if settings.fused and not settings.bf16 and fused_decoder.computes_here(query):
        return fused_decoder.attention(query, key_value, mask, settings)
    mask = _with_causal_mask(mask, query.shape[0] // settings.batch) if settings.causal else mask
    if on_cpu(query):
        return _attend(query, key_value, mask, settings)
    heads, size = settings.heads, query.shape[-1] // settings.heads
    by_head = query.reshape([settings.batch, -1, heads, size]).transpose([0, 2, 1, 3])
    split = key_value.reshape([settings.batch, -1, 2, heads, size]).transpose([2, 0, 3, 1, 4])
    key, value = split.unbind(0)  # [batch heads key size] each
    context = attend_to(by_head, key, value, mask, dropout=settings.dropout)
    return context.transpose([0, 2, 1, 3]).reshape([-1, heads * size])  # [batch*query hidden]


def _with_causal_mask(mask: Tensor | None, length: int) -> Tensor:
    causal = causal_mask(length)
    return causal if mask is None else causal + mask


def attend_to(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, dropout: float = 0.0) -> Tensor:
    """`attend` of queries, keys and values that are split into heads, with Paddle's backward pass.

    Args:
        query: float32[batch heads query size].
        key: float32[batch heads key size], as `value`.
        value: What is averaged.
        mask: Added to the scores.
        dropout: Dropout of the probabilities.

    Returns:
        float32[batch heads query size]
    """
    scores = product(query * query.shape[-1] ** -0.5, key, transpose_other=True)  # [batch heads query key]
    probabilities = functional.softmax(scores if mask is None else scores + mask)
    return product(plain.dropout(probabilities, dropout), value)


class DecoderAttentionFunction(PyLayer):
    """`attend` with a backward pass that is fast on the CPU."""

    @staticmethod
    def forward(
        ctx: Context, query: Tensor, key_value: Tensor, mask: Tensor | None, settings: DecoderAttention
    ) -> Tensor:
        heads, multiply = settings.heads, product_in(bf16=settings.bf16)
        ctx.needed = [not each.stop_gradient for each in (query, key_value)]
        size = query.shape[1] // heads
        query = transposed(query.reshape([settings.batch, -1, heads, size]), [0, 2, 1, 3]) * size**-0.5
        split = transposed(key_value.reshape([settings.batch, -1, 2, heads, size]), [2, 0, 3, 1, 4])
        key, value = split.unbind(0)  # [batch heads key size]
        scores = multiply(query, key, transpose_other=True)  # [batch heads query key]
        probabilities = attention_probabilities(scores, mask, settings.dropout, fused=settings.fused)
        context = multiply(probabilities.dropped(), value)  # [batch heads query size]
        ctx.save_for_backward(query, key, value, probabilities.values, probabilities.keep)
        ctx.kind = probabilities.dropout, probabilities.scale, probabilities.fused
        ctx.multiply = multiply
        return transposed(context, [0, 2, 1, 3]).reshape([-1, heads * size])

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        query, key, value, values, keep = ctx.saved_tensor()
        batch, heads, _, size = query.shape
        probabilities, multiply = Probabilities(values, keep, *ctx.kind), ctx.multiply
        by_head = transposed(gradient.reshape([batch, -1, heads, size]), [0, 2, 1, 3])
        value_gradient = multiply(probabilities.dropped(), by_head, transpose_one=True)
        scores = probabilities.score_gradient(multiply(by_head, value, transpose_other=True))
        query_gradient = multiply(scores, key) * size**-0.5
        key_gradient = multiply(scores, query, transpose_one=True)
        both = paddle.stack([key_gradient, value_gradient])  # [2 batch heads key size]
        return (
            transposed(query_gradient, [0, 2, 1, 3]).reshape([-1, heads * size]) if ctx.needed[0] else None,
            transposed(both, [1, 3, 0, 2, 4]).reshape([-1, 2 * heads * size]) if ctx.needed[1] else None,
        )


_attend: Callable[[Tensor, Tensor, Tensor | None, DecoderAttention], Tensor] = DecoderAttentionFunction.apply
