"""Attention of a decoder in C: see decoder_attention.c."""

import ctypes
from collections.abc import Callable

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from palm.kernels.autograd import Context
from palm.kernels.batch_position import rows_before
from palm.kernels.contract import DecoderAttention
from palm.kernels.fused.float32_layer import find_product_functions
from palm.kernels.fused.layer import fits, sample_seed
from palm.kernels.fused.library import load_kernels


class DecoderArguments(ctypes.Structure):
    """`Decoder` of decoder_attention.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "heads", "size", "queries", "keys", "causal", "rows_before")),
        ("dropout", ctypes.c_float),
        ("seed", ctypes.c_uint32),
        *((name, ctypes.c_void_p) for name in ("mask", "multiply", "limit_threads")),
    )


class FusedDecoderAttention(PyLayer):
    """Attention of queries to keys and values of as many sequences."""

    @staticmethod
    def forward(
        ctx: Context, query: Tensor, key_value: Tensor, mask: Tensor | None, settings: DecoderAttention
    ) -> Tensor:
        ctx.needed = [not each.stop_gradient for each in (query, key_value)]
        query, key_value = query.contiguous(), key_value.contiguous()
        mask = None if mask is None else mask.reshape([settings.batch, -1]).contiguous()
        arguments = _arguments(query, key_value, mask, settings)
        context = paddle.empty_like(query)
        level = paddle.empty([query.shape[0], settings.heads], query.dtype)
        load_kernels()("decoder_attention", ctypes.byref(arguments), query, key_value, context, level)
        ctx.save_for_backward(query, key_value, context, level)
        ctx.arguments, ctx.mask = arguments, mask  # C reads the mask by its address
        return context

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved = ctx.saved_tensor()
        found = tuple(paddle.empty_like(each) for each in saved[:2])
        arguments = (ctypes.byref(ctx.arguments), *saved, gradient.contiguous(), *found)
        load_kernels()("decoder_attention_gradient", *arguments)
        return tuple(each if needed else None for each, needed in zip(found, ctx.needed, strict=True))


_attention: Callable[..., Tensor] = FusedDecoderAttention.apply


def computes_here(query: Tensor) -> bool:
    """Whether `attention` can compute with `query`."""
    return fits(query) and find_product_functions() is not None


def attention(query: Tensor, key_value: Tensor, mask: Tensor | None, settings: DecoderAttention) -> Tensor:
    """Scaled dot-product attention.

    Args:
        query: float32[batch*query hidden].
        key_value: Keys and values side by side, float32[batch*key 2*hidden].
        mask: Added to the scores of keys, float32[batch 1 1 key].
        settings: Those of the attention.

    Returns:
        float32[batch*query hidden]
    """
    return _attention(query, key_value, mask, settings)


def _arguments(query: Tensor, key_value: Tensor, mask: Tensor | None, settings: DecoderAttention) -> DecoderArguments:
    rows, width = query.shape
    seed = sample_seed() if settings.dropout else 0
    return DecoderArguments(
        *(settings.batch, settings.heads, width // settings.heads),
        *(rows // settings.batch, key_value.shape[0] // settings.batch, int(settings.causal), rows_before(rows)),
        *(settings.dropout, seed, None if mask is None else mask.data_ptr()),
        *(find_product_functions() or ()),
    )
