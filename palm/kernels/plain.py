"""An encoder layer in Paddle's own operations, one function a step. Tokens are rows: products are two-dimensional."""

import paddle
from paddle import Tensor
from paddle.nn import functional

from palm.kernels.layer import LayerSettings, LayerWeights, Rows

_ACTIVATIONS = {"gelu": functional.gelu, "relu": functional.relu, "tanh": functional.tanh}


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
    return paddle.matmul(rows, weight) + bias


def layer_norm(rows: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Layer normalisation over the last axis (arXiv:1607.06450)."""
    return functional.layer_norm(rows, rows.shape[-1:], weight, bias, epsilon)


def dropout(values: Tensor, probability: float) -> Tensor:
    """Zero a random share of `values` and scale the others up; with probability 0, nothing."""
    return functional.dropout(values, probability) if probability > 0 else values


def activation(values: Tensor, name: str) -> Tensor:
    """The feed-forward part's non-linearity."""
    return _ACTIVATIONS[name](values)


def attention(qkv: Tensor, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """Scaled dot-product attention of all heads (arXiv:1706.03762).

    Args:
        qkv: Queries, keys and values side by side, float32[batch*seq 3*hidden].
        settings: Number of heads and dropout of the probabilities.
        rows: The sequences, and the mask of their padding.

    Returns:
        float32[batch*seq hidden]
    """
    hidden = qkv.shape[-1] // 3
    size = hidden // settings.heads
    split = qkv.reshape([rows.batch, rows.seq, 3, settings.heads, size]).transpose([2, 0, 3, 1, 4])
    query, key, value = split.unbind(0)  # [batch heads seq size] each
    scores = paddle.matmul(query * size**-0.5, key, transpose_y=True)  # [batch heads seq seq]
    if rows.mask is not None:
        scores = scores + rows.mask
    probabilities = dropout(functional.softmax(scores), settings.attention_dropout)
    context = paddle.matmul(probabilities, value)  # [batch heads seq size]
    return context.transpose([0, 2, 1, 3]).reshape([-1, hidden])  # [batch*seq hidden]
