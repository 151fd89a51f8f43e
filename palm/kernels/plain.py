"""An encoder layer in Paddle's own operations, one function per step. Tokens are rows, so products are two-dimensional.

On the CPU some steps use `palm.kernels.autograd`, which computes the same with a faster backward pass. On a GPU layer
normalisation is one kernel of Paddle, and attention is one in half precision.
"""

import paddle
from paddle import Tensor
from paddle.nn import functional

from palm.kernels import autograd
from palm.kernels.batch_position import rows_before
from palm.kernels.contract import LayerSettings, LayerWeights, Rows
from palm.kernels.products import product
from palm.runtime.paddle_versions import fused_attention_takes_masks


def compute_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """Self-attention and feed-forward, each with residual and layer normalisation after it (arXiv:1810.04805)."""
    w = weights
    context = attention(linear(hidden, w.qkv_weight, w.qkv_bias), settings=settings, rows=rows)
    attended = dropout(linear(context, w.output_weight, w.output_bias), settings.hidden_dropout)
    hidden = layer_norm(hidden + attended, w.attention_norm_weight, w.attention_norm_bias, settings.epsilon)
    inner = activation(linear(hidden, w.intermediate_weight, w.intermediate_bias), settings.activation)
    outer = dropout(linear(inner, w.ffn_weight, w.ffn_bias), settings.hidden_dropout)
    return layer_norm(hidden + outer, w.ffn_norm_weight, w.ffn_norm_bias, settings.epsilon)


def linear(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`rows @ weight + bias`: [rows in] → [rows out]."""
    if _on_cpu(rows):
        return autograd.linear(rows, weight, bias)
    return functional.linear(rows, weight, bias)


def layer_norm(rows: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Layer normalisation of [rows width] over the width (arXiv:1607.06450)."""
    if _on_cpu(rows):
        return autograd.layer_norm(rows, weight, bias, epsilon)
    return functional.layer_norm(rows, rows.shape[-1:], weight, bias, epsilon)


def dropout(values: Tensor, probability: float, *, before: int | None = None) -> Tensor:
    """Zero a random fraction of `values` and scale up the others; with probability 0, return `values`.

    Args:
        values: [rows ...].
        probability: That of an element to be zeroed.
        before: On the CPU, rows before these in a batch that several processes share; by default those of a padded
            batch. On a GPU each process samples masks of its own.
    """
    if probability == 0:
        return values
    if not _on_cpu(values):
        return functional.dropout(values, probability)
    return autograd.dropout(values, probability, rows_before(values.shape[0]) if before is None else before)


def activation(values: Tensor, name: str) -> Tensor:
    """The feed-forward part's non-linearity: `gelu` (exact), `gelu_new` (by tanh), `relu` or `tanh`."""
    if name == "gelu_new":
        return functional.gelu(values, approximate=True)
    if name == "relu":
        return functional.relu(values)
    if name == "tanh":
        return paddle.tanh(values)
    return autograd.gelu(values) if _on_cpu(values) else functional.gelu(values)


def attention(qkv: Tensor, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """Scaled dot-product attention of all heads (arXiv:1706.03762).

    Args:
        qkv: Queries, keys and values side by side, float32[batch*seq 3*hidden].
        settings: Number of heads and dropout of the probabilities.
        rows: The sequences, and the mask of their padding.

    Returns:
        float32[batch*seq hidden]
    """
    if _on_cpu(qkv) and rows.bias is None and rows.prefix is None:
        return autograd.attention(qkv, rows.mask, settings.heads, rows.seq, settings.attention_dropout)
    if _has_fused_attention(qkv, rows):
        return fused_attention(qkv, settings=settings, rows=rows)
    return plain_attention(qkv, settings=settings, rows=rows)


def plain_attention(qkv: Tensor, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """`attention` with Paddle's backward pass, for other devices and for export to a static graph."""
    hidden = qkv.shape[-1] // 3
    size = hidden // settings.heads
    split = qkv.reshape([rows.batch, rows.seq, 3, settings.heads, size]).transpose([2, 0, 3, 1, 4])
    query, key, value = split.unbind(0)  # [batch heads seq size] each
    mask, bias = rows.mask, rows.bias
    if rows.prefix is not None:
        length = rows.prefix.shape[1]
        key, value = _after_prefix(rows, rows.prefix[0], key), _after_prefix(rows, rows.prefix[1], value)
        mask, bias = _zeros_before(length, mask), _zeros_before(length, bias)
    scores = product(query * size**-0.5, key, transpose_other=True)  # [batch heads seq prefix+seq]
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores + mask
    probabilities = dropout(functional.softmax(scores), settings.attention_dropout)
    context = product(probabilities, value)  # [batch heads seq size]
    return context.transpose([0, 2, 1, 3]).reshape([-1, hidden])  # [batch*seq hidden]


def _after_prefix(rows: Rows, prefix: Tensor, own: Tensor) -> Tensor:
    """`prefix` [prefix hidden] before the keys or values `own` [batch heads seq size]."""
    heads, size = own.shape[1], own.shape[3]
    split = prefix.reshape([prefix.shape[0], heads, size]).transpose([1, 0, 2]).unsqueeze(0)
    return paddle.concat([split.astype(own.dtype).expand([rows.batch, -1, -1, -1]), own], axis=2)


def _zeros_before(length: int, scores: Tensor | None) -> Tensor | None:
    """What is added to attention scores, [... seq], and nothing for `length` more keys: [... length+seq]."""
    if scores is None:
        return None
    return paddle.concat([paddle.zeros_like(scores[..., :1]).expand([-1, -1, -1, length]), scores], axis=-1)


def fused_attention(qkv: Tensor, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """`attention` by Paddle's own function, which a GPU computes without storing the probabilities (arXiv:2205.14135).

    It has no gradient for the mask, so it is not for a bias that is trained.
    """
    hidden = qkv.shape[-1]
    query, key, value = qkv.reshape([rows.batch, rows.seq, 3, settings.heads, hidden // (3 * settings.heads)]).unbind(2)
    mask = rows.mask
    if mask is not None:
        mask = mask.astype(query.dtype).expand([rows.batch, 1, rows.seq, rows.seq])
    context: Tensor = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=settings.attention_dropout
    )  # [batch seq heads size]
    return context.reshape([-1, hidden // 3])  # [batch*seq hidden]


def _has_fused_attention(qkv: Tensor, rows: Rows) -> bool:
    """Whether there is a fused kernel: on a GPU, for the half precision of `amp`."""
    if not paddle.in_dynamic_mode() or not qkv.place.is_gpu_place():
        return False
    half = qkv.dtype in (paddle.float16, paddle.bfloat16)
    return half and rows.bias is None and rows.prefix is None and (rows.mask is None or fused_attention_takes_masks())


def _on_cpu(values: Tensor) -> bool:
    return bool(paddle.in_dynamic_mode() and values.place.is_cpu_place())
