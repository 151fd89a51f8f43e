"""An encoder layer in bfloat16 as two calls of C, forward and backward: see bf16_layer.c.

It computes packed rows: the tokens that exist, without padding.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor
from paddle.autograd import PyLayer

from palm.kernels.autograd import Context
from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused import layer
from palm.kernels.fused.layer import ACTIVATIONS, fields, fits, sample_seeds
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.fused.packing import Packing
from palm.kernels.products import in_bf16


class LayerArguments(ctypes.Structure):
    """`Layer` of bf16_layer.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("sequences", "width", "inner", "heads", "activation")),
        *((name, ctypes.c_float) for name in ("epsilon", "hidden_dropout", "attention_dropout")),
        ("seeds", ctypes.c_uint32 * 3),
    )


def computes_here(settings: LayerSettings, hidden: Tensor) -> bool:
    """Whether `compute_packed_layer` is the fastest way to compute the layer: in bfloat16, on a CPU with AMX."""
    return settings.bf16 and settings.activation in ACTIVATIONS and fits(hidden) and has_tiles()


@cache
def has_tiles() -> bool:
    """Whether the kernels use AMX tiles on this machine."""
    try:
        return load_kernels().level == "amx"
    except KernelsUnavailableError:
        return False


def packing_for(hidden: Tensor, rows: Rows) -> Packing | None:
    """How to pack the rows of a batch once for all layers; None if these compute padded rows.

    Args:
        hidden: The first hidden states, float32[batch*seq hidden].
        rows: The batch's sequences.
    """
    return Packing(rows) if in_bf16() and fits(hidden) and has_tiles() else None


def compute_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """The layer in the fastest of the fused ways: in one call, or as kernels between matrix products.

    Args:
        hidden: Hidden states, float32[rows hidden]; packed if `rows` is.
        weights: The layer's parameters.
        settings: The layer's settings.
        rows: The sequences.
    """
    if isinstance(rows, PackedRows):
        return compute_packed_layer(hidden, weights, settings=settings, rows=rows)
    if rows.bias is not None or not computes_here(settings, hidden):
        return layer.compute_layer(hidden, weights, settings=settings, rows=rows)
    packing = Packing(rows)
    packed = compute_packed_layer(packing.pack(hidden), weights, settings=settings, rows=packing.rows)
    return packing.unpack(packed)


def compute_packed_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: PackedRows) -> Tensor:
    """Next hidden states, float32[rows hidden], of packed `rows`."""
    return _apply(hidden, *fields(weights), settings, rows.starts)


class PackedLayer(PyLayer):
    """Forward and backward of the whole layer; no gradient is computed for frozen parameters."""

    @staticmethod
    def forward(ctx: Context, hidden: Tensor, *rest: Any) -> Tensor:  # noqa: ANN401 - 12 tensors, settings, starts
        weights, settings, starts = rest[:12], rest[12], rest[13]
        run, hidden = load_kernels(), hidden.contiguous()
        arguments = _arguments(weights, settings, starts)
        out = paddle.empty_like(hidden)
        saved = paddle.empty([run.count("bf16_layer_saved", ctypes.byref(arguments), starts.ctypes.data)], "uint8")
        run("bf16_layer", ctypes.byref(arguments), starts.ctypes.data, hidden, _pointers(weights), saved, out)
        ctx.save_for_backward(saved, *weights)
        ctx.arguments, ctx.starts = arguments, starts
        ctx.needed = tuple(not tensor.stop_gradient for tensor in (hidden, *weights))
        return out

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved, *weights = ctx.saved_tensor()
        gradient = gradient.contiguous()
        found = [
            paddle.empty_like(tensor) if needed else None
            for tensor, needed in zip((gradient, *weights), ctx.needed, strict=True)
        ]
        load_kernels()(
            "bf16_layer_gradient",
            *(ctypes.byref(ctx.arguments), ctx.starts.ctypes.data, gradient, _pointers(weights)),
            *(saved, found[0], _pointers(found[1:])),
        )
        return tuple(found)


_apply: Callable[..., Tensor] = PackedLayer.apply


def _arguments(weights: tuple[Tensor, ...], settings: LayerSettings, starts: NDArray[np.int64]) -> LayerArguments:
    named = LayerWeights(*weights)
    seeds = sample_seeds(settings)
    return LayerArguments(
        len(starts) - 1,
        *named.intermediate_weight.shape,
        settings.heads,
        ACTIVATIONS[settings.activation],
        settings.epsilon,
        settings.hidden_dropout,
        settings.attention_dropout,
        (ctypes.c_uint32 * 3)(seeds.probabilities, seeds.attended, seeds.outer),
    )


def _pointers(tensors: Sequence[Tensor | None]) -> "ctypes.Array[ctypes.c_void_p]":
    pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    return (ctypes.c_void_p * len(pointers))(*pointers)
