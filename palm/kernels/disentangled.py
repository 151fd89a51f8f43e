"""Disentangled self-attention of DeBERTa (arXiv:2006.03654): by content, and by content and relative position.

The score of query i and key j is (q_i·k_j + q_i·K_d + k_j·Q_d) / sqrt(3·size) with their distance d = i - j. K and
Q are projected vectors of distances. They come in the order of the distances of a sequence, so that a row of
products with all of them holds those that it needs side by side, shifted by one from row to row: nothing is looked up.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import paddle
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional

from palm.kernels import plain
from palm.kernels.autograd import Context, transposed
from palm.kernels.contract import LayerSettings, Rows
from palm.kernels.dense import Probabilities, attention_probabilities, on_cpu, product_in
from palm.kernels.position_tables import vector_rows
from palm.kernels.products import product


@dataclass(frozen=True)
class RelativeRows(Rows):
    """The sequences of a batch, and vectors of relative positions.

    Attributes:
        vectors: Those that the sequences need, float32[vectors hidden]; all layers read them. None without any.
        indices: The vector of each distance from -(seq - 1) to seq - 1: int64[2*seq-1].
        real: 1 for a token, 0 for padding: float32[batch*seq 1].
    """

    vectors: Tensor | None
    indices: Tensor | None
    real: Tensor

    def shared(self) -> tuple[Tensor, ...]:
        return () if self.vectors is None else (self.vectors,)


@dataclass(frozen=True)
class Distances:
    """Projected vectors of the distances -(seq - 1) to seq - 1, float32[2*seq-1 hidden]; None for a term left out.

    Attributes:
        keys: What queries are compared with (`c2p`).
        queries: What keys are compared with (`p2c`).
        terms: Number of terms that scores are scaled for, with that of content.
    """

    keys: Tensor | None
    queries: Tensor | None
    terms: int


def static_indices(seq: Tensor, span: int, buckets: int, largest: int) -> Tensor:
    """The row of each distance, int64[2*seq-1], in a static graph, where `seq` is known when it runs."""
    longest = max(span, largest) + 1  # distances from here on share a row
    rows = vector_rows(np.arange(1 - longest, longest), span, buckets, largest)
    distances = paddle.clip(paddle.arange(1 - seq, seq), 1 - longest, longest - 1)
    return paddle.gather(paddle.to_tensor(rows), distances + (longest - 1))


def attention(qkv: Tensor, distances: Distances, *, settings: LayerSettings, rows: Rows, fused: bool) -> Tensor:
    """Attention by content and relative position.

    Args:
        qkv: Queries, keys and values side by side, float32[batch*seq 3*hidden].
        distances: Projected vectors of relative positions.
        settings: Number of heads, dropout of the probabilities, and precision.
        rows: The sequences.
        fused: Whether the fused kernels may compute parts of it.

    Returns:
        float32[batch*seq hidden]
    """
    if on_cpu(qkv):
        return _attention(qkv, distances.keys, distances.queries, distances.terms, rows, settings, fused)
    return plain_attention(qkv, distances, settings=settings, rows=rows)


def plain_attention(qkv: Tensor, distances: Distances, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """`attention` with Paddle's backward pass, for other devices and for export to a static graph."""
    heads, seq = settings.heads, rows.seq
    hidden = qkv.shape[-1] // 3
    size = hidden // heads
    split = qkv.reshape([rows.batch, seq, 3, heads, size]).transpose([2, 3, 0, 1, 4])
    query, key, value = split.unbind(0)  # [heads batch seq size] each
    scale = (size * distances.terms) ** -0.5
    scores = product(query * scale, key, transpose_other=True)  # [heads batch seq seq]
    for rows_of, vectors in ((query, _from_largest(distances.keys)), (key, distances.queries)):
        if vectors is not None:
            by_head = vectors.reshape([-1, heads, size]).transpose([1, 0, 2])  # [heads distances size]
            compared = product(rows_of.reshape([heads, -1, size]) * scale, by_head, transpose_other=True)
            shifted = _shifted(compared.reshape([-1, seq, 2 * seq - 1]), seq).reshape([heads, rows.batch, seq, seq])
            scores = scores + (shifted if rows_of is query else shifted.transpose([0, 1, 3, 2]))
    if rows.mask is not None:
        scores = scores + rows.mask.squeeze(1)
    probabilities = plain.dropout(functional.softmax(scores), settings.attention_dropout)
    return product(probabilities, value).transpose([1, 2, 0, 3]).reshape([-1, hidden])  # [batch*seq hidden]


class DisentangledAttention(PyLayer):
    """`plain_attention` with a backward pass that is fast on the CPU."""

    @staticmethod
    def forward(
        ctx: Context,
        qkv: Tensor,
        position_keys: Tensor | None,
        position_queries: Tensor | None,
        terms: int,
        rows: Rows,
        settings: LayerSettings,
        fused: bool,
    ) -> Tensor:
        heads, seq, multiply = settings.heads, rows.seq, product_in(bf16=settings.bf16)
        hidden = qkv.shape[1] // 3
        size = hidden // heads
        split = transposed(qkv.reshape([-1, seq, 3, heads, size]), [2, 3, 0, 1, 4])
        query, key, value = split.unbind(0)  # [heads batch seq size]
        scale = (size * terms) ** -0.5
        query = query * scale
        scores = multiply(query, key, transpose_other=True)  # [heads batch seq seq]
        keys, queries = _by_head(_from_largest(position_keys), heads), _by_head(position_queries, heads)
        if keys is not None:
            scores.add_(_compared(multiply, query, keys))
        if queries is not None:
            queries = queries * scale
            scores.add_(_turned(_compared(multiply, key, queries)))
        mask = None if rows.mask is None else rows.mask.squeeze(1)  # [batch 1 seq]
        probabilities = attention_probabilities(scores, mask, settings.attention_dropout, fused=fused, by_head=True)
        context = multiply(probabilities.dropped(), value)
        ctx.save_for_backward(query, key, value, keys, queries, probabilities.values, probabilities.keep)
        ctx.kind = probabilities.dropout, probabilities.scale, probabilities.fused
        ctx.multiply, ctx.scale = multiply, scale
        return transposed(context, [1, 2, 0, 3]).reshape([-1, hidden])

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor, ...]:
        query, key, value, keys, queries, values, keep = ctx.saved_tensor()
        heads, _, seq, size = query.shape
        probabilities, multiply = Probabilities(values, keep, *ctx.kind), ctx.multiply
        by_head = transposed(gradient.reshape([-1, seq, heads, size]), [2, 0, 1, 3])
        value_gradient = multiply(probabilities.dropped(), by_head, transpose_one=True)
        scores = probabilities.score_gradient(multiply(by_head, value, transpose_other=True))
        query_gradient, key_gradient = multiply(scores, key), multiply(scores, query, transpose_one=True)
        vectors = []
        if keys is not None:
            by_vector = _unshifted(scores)  # [heads batch*seq distances]
            query_gradient.add_(multiply(by_vector, keys).reshape(query.shape))
            by_key = multiply(by_vector, query.reshape([heads, -1, size]), transpose_one=True)
            vectors.append(paddle.flip(_by_distance(by_key), [0]))
        if queries is not None:
            by_vector = _unshifted(_turned(scores))
            key_gradient.add_(multiply(by_vector, queries).reshape(key.shape))
            by_query = multiply(by_vector, key.reshape([heads, -1, size]), transpose_one=True)
            vectors.append(_by_distance(by_query) * ctx.scale)
        stacked = paddle.stack([query_gradient * ctx.scale, key_gradient, value_gradient])  # [3 heads batch seq size]
        return transposed(stacked, [2, 3, 0, 1, 4]).reshape([-1, 3 * heads * size]), *vectors


_attention: Callable[[Tensor, Tensor | None, Tensor | None, int, Rows, LayerSettings, bool], Tensor] = (
    DisentangledAttention.apply
)


def _from_largest(vectors: Tensor | None) -> Tensor | None:
    """In the order of keys: the first key has the largest distance to a query."""
    return None if vectors is None else paddle.flip(vectors, [0])


def _by_head(vectors: Tensor | None, heads: int) -> Tensor | None:
    """[distances hidden] → [heads distances size]."""
    if vectors is None:
        return None
    return transposed(vectors.reshape([vectors.shape[0], heads, -1]), [1, 0, 2])


def _by_distance(by_head: Tensor) -> Tensor:
    """[heads distances size] → [distances hidden]."""
    return transposed(by_head, [1, 0, 2]).reshape([by_head.shape[1], -1])


def _compared(multiply: Callable[..., Tensor], rows: Tensor, vectors: Tensor) -> Tensor:
    """Products of rows [heads batch seq size] with the vectors of their distances: [heads batch seq seq]."""
    heads, batch, seq, size = rows.shape
    products = multiply(rows.reshape([heads, batch * seq, size]), vectors, transpose_other=True)
    shifted = paddle.empty([heads, batch, seq, seq], rows.dtype)
    _in_place(shifted)[...] = _diagonals(_in_place(products), seq).reshape(shifted.shape)
    return shifted


def _turned(scores: Tensor) -> Tensor:
    """[heads batch seq seq] with queries and keys exchanged, as a copy."""
    return paddle.transpose(scores, [0, 1, 3, 2]).contiguous()


def _in_place(values: Tensor) -> NDArray[np.float32]:
    """The numbers of a float32 tensor on the CPU, not a copy: numpy moves rows ten times faster than Paddle's views."""
    if not values.is_contiguous():
        raise ValueError("the numbers of a view do not lie in order")
    address = (ctypes.c_float * values.size).from_address(values.data_ptr())
    return np.ctypeslib.as_array(address).reshape(values.shape)


def _diagonals(products: NDArray[np.float32], seq: int) -> NDArray[np.float32]:
    """Of products [..., rows 2*seq-1] a view [count seq seq]: of row i of a sequence the numbers from seq-1-i on."""
    rows = products.reshape(-1, seq, 2 * seq - 1)
    whole, row, number = rows.strides
    return as_strided(rows[:, :, seq - 1 :], (len(rows), seq, seq), (whole, row - number, number))


def _shifted(products: Tensor, seq: int) -> Tensor:
    """[count seq 2*seq-1] → [count seq seq]: of row i the `seq` numbers from place seq-1-i on.

    Cut off the first seq-1 numbers, and rows of 2*seq-2 begin one place earlier each.
    """
    if isinstance(seq, int) and seq == 1:  # a tensor in a static graph, whose sequences have two special tokens
        return products
    width = 2 * seq - 1
    flat = products.reshape([-1, seq * width])[:, seq - 1 : seq - 1 + seq * (width - 1)]
    return flat.reshape([-1, seq, width - 1])[:, :, :seq]


def _unshifted(scores: Tensor) -> Tensor:
    """The gradient of the products in `_compared`: [heads batch seq seq] → [heads batch*seq 2*seq-1], 0 elsewhere."""
    heads, batch, seq, _ = scores.shape
    spread = paddle.zeros([heads, batch * seq, 2 * seq - 1], scores.dtype)
    _diagonals(_in_place(spread), seq)[...] = _in_place(scores).reshape(-1, seq, seq)
    return spread
