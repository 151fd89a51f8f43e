"""Attention with rotary positions and gated feed-forward parts in C, over packed rows: see rotary_attention.c."""

import ctypes
from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from palm.kernels.autograd import Context
from palm.kernels.batch_position import tokens_before
from palm.kernels.contract import LayerSettings, PackedRows
from palm.kernels.fused.float32_layer import find_product_functions
from palm.kernels.fused.layer import fits, sample_seed
from palm.kernels.fused.library import load_kernels


class RotaryArguments(ctypes.Structure):
    """`Rotary` of rotary_attention.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("sequences", "heads", "size", "window", "rows_before")),
        ("dropout", ctypes.c_float),
        ("seed", ctypes.c_uint32),
        *((name, ctypes.c_void_p) for name in ("starts", "cosine", "sine", "multiply", "limit_threads")),
    )


class PackedRotaryAttention(PyLayer):
    """Attention of the rotated queries and keys of packed rows."""

    @staticmethod
    def forward(ctx: Context, qkv: Tensor, *rest: Any) -> Tensor:  # noqa: ANN401 - rows, table, window, settings
        rows, table, window, settings = rest
        qkv, size = qkv.contiguous(), table[0].shape[-1]
        dropout = settings.attention_dropout
        arguments = RotaryArguments(
            *(len(rows.starts) - 1, settings.heads, size, -1 if window is None else window, tokens_before()),
            *(dropout, sample_seed() if dropout else 0),
            *(rows.starts.ctypes.data, table[0].data_ptr(), table[1].data_ptr()),
            *(find_product_functions() or ()),
        )
        context = paddle.empty([qkv.shape[0], settings.heads * size], qkv.dtype)
        level = paddle.empty([qkv.shape[0], settings.heads], qkv.dtype)
        load_kernels()("rotary_attention", ctypes.byref(arguments), qkv, context, level)
        ctx.save_for_backward(qkv, context, level)
        ctx.arguments, ctx.alive = arguments, (rows, table)
        return context

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        qkv, context, level = ctx.saved_tensor()
        found = paddle.empty_like(qkv)
        arguments = (qkv, context, level, gradient.contiguous(), found)
        load_kernels()("rotary_attention_gradient", ctypes.byref(ctx.arguments), *arguments)
        return found


class Gated(PyLayer):
    """`gelu(value) · gate` of [rows value+gate]."""

    @staticmethod
    def forward(ctx: Context, both: Tensor) -> Tensor:
        both = both.contiguous()
        rows, width = both.shape
        out = paddle.empty([rows, width // 2], both.dtype)
        load_kernels()("gated", both, out, rows, width // 2)
        ctx.save_for_backward(both)
        return out

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        (both,) = ctx.saved_tensor()
        found = paddle.empty_like(both)
        load_kernels()("gated_gradient", both, gradient.contiguous(), found, both.shape[0], both.shape[1] // 2)
        return found


_attention: Callable[..., Tensor] = PackedRotaryAttention.apply
gated: Callable[[Tensor], Tensor] = Gated.apply


def computes_here(hidden: Tensor) -> bool:
    """Whether `attention` can compute with `hidden`."""
    return fits(hidden) and find_product_functions() is not None


def attention(
    qkv: Tensor, rows: PackedRows, table: tuple[Tensor, Tensor], window: int | None, settings: LayerSettings
) -> Tensor:
    """Scaled dot-product attention.

    Args:
        qkv: Queries, keys and values side by side, float32[rows 3*hidden].
        rows: The sequences.
        table: Cosine and sine of the angles of each position, float32[seq size].
        window: Largest distance of a token that is seen; None sees all.
        settings: Number of heads, dropout of the probabilities.

    Returns:
        float32[rows hidden]
    """
    return _attention(qkv, rows, table, window, settings)
