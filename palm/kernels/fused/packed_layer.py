"""An encoder layer over packed rows (the tokens that exist, without padding) as two calls of C, forward and backward.

Each kernel of its kind has three functions: `palm_<kernel>`, `palm_<kernel>_gradient`, and `palm_<kernel>_saved`, which
tells how many bytes the forward pass saves. All kernels take the arguments that layer_plan.h declares.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor
from paddle.autograd import PyLayer

from palm.kernels.autograd import Context
from palm.kernels.batch_position import tokens_before
from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused import layer
from palm.kernels.fused.layer import ACTIVATIONS, fields, sample_seeds
from palm.kernels.fused.library import KernelLibrary, load_kernels
from palm.kernels.fused.packing import Packing


@dataclass(frozen=True)
class Kernel:
    """The C functions that compute a layer.

    Attributes:
        name: `<kernel>` above.
        keeps_input: Whether the gradient is computed from the layer's input as well, before `gradient` in C.
        packs_weights: Whether the forward pass packs the weights for both: the parameter behind the twelve is memory
            for them, of a size that `palm_<kernel>_weights` tells.
    """

    name: str
    keeps_input: bool = False
    packs_weights: bool = False


class LayerArguments(ctypes.Structure):
    """`Layer` of layer_plan.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("sequences", "width", "inner", "heads", "activation", "first")),
        *((name, ctypes.c_float) for name in ("epsilon", "hidden_dropout", "attention_dropout")),
        ("seeds", ctypes.c_uint32 * 3),
    )


def compute(
    hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: PackedRows, kernel: Kernel
) -> Tensor:
    """Next hidden states of packed rows.

    Args:
        hidden: Hidden states, float32[rows hidden].
        weights: The layer's parameters.
        settings: The layer's settings.
        rows: The sequences.
        kernel: The functions that compute it.
    """
    return _apply(hidden, *fields(weights), settings, rows.starts, kernel)


def compute_layer(
    hidden: Tensor,
    weights: LayerWeights,
    *,
    settings: LayerSettings,
    rows: Rows,
    in_one_call: Callable[..., Tensor],
    applies: bool,
) -> Tensor:
    """The layer in one call, or as kernels between matrix products where that does not apply.

    Args:
        hidden: Hidden states, float32[rows hidden]; packed if `rows` is.
        weights: The layer's parameters.
        settings: The layer's settings.
        rows: The sequences.
        in_one_call: Computes the layer of packed rows.
        applies: Whether it also computes padded rows, which are packed for it.
    """
    if isinstance(rows, PackedRows):
        return in_one_call(hidden, weights, settings=settings, rows=rows)
    if rows.bias is not None or not applies:
        return layer.compute_layer(hidden, weights, settings=settings, rows=rows)
    packing = Packing(rows)
    packed = in_one_call(packing.pack(hidden), weights, settings=settings, rows=packing.rows)
    return packing.unpack(packed)


class PackedLayer(PyLayer):
    """Forward and backward of the whole layer; no gradient is computed for frozen parameters."""

    @staticmethod
    def forward(ctx: Context, hidden: Tensor, *rest: Any) -> Tensor:  # noqa: ANN401 - 12 tensors, settings, …
        weights, settings, starts, kernel = rest[:12], *rest[12:]
        run, hidden = load_kernels(), hidden.contiguous()
        arguments = _arguments(weights, settings, starts)
        out = paddle.empty_like(hidden)
        saved = paddle.empty([run.count(f"{kernel.name}_saved", ctypes.byref(arguments), starts.ctypes.data)], "uint8")
        ctx.needed = tuple(not tensor.stop_gradient for tensor in (hidden, *weights))
        ctx.packed = _weights_memory(run, arguments, kernel) if any(ctx.needed) else None
        pointers = _pointers([*weights, ctx.packed])
        run(kernel.name, ctypes.byref(arguments), starts.ctypes.data, hidden, pointers, saved, out)
        ctx.save_for_backward(saved, *weights, *([hidden] if kernel.keeps_input else []))
        ctx.arguments, ctx.starts, ctx.kernel = arguments, starts, kernel
        return out

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved, *others = ctx.saved_tensor()
        weights, inputs = others[:12], others[12:]
        gradient = gradient.contiguous()
        found = [
            paddle.empty_like(tensor) if needed else None
            for tensor, needed in zip((gradient, *weights), ctx.needed, strict=True)
        ]
        load_kernels()(
            f"{ctx.kernel.name}_gradient",
            *(ctypes.byref(ctx.arguments), ctx.starts.ctypes.data, *inputs, gradient),
            *(_pointers([*weights, ctx.packed]), saved, found[0], _pointers(found[1:])),
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
        tokens_before(),
        settings.epsilon,
        settings.hidden_dropout,
        settings.attention_dropout,
        (ctypes.c_uint32 * 3)(seeds.probabilities, seeds.attended, seeds.outer),
    )


def _weights_memory(run: KernelLibrary, arguments: LayerArguments, kernel: Kernel) -> Tensor | None:
    """Memory in which the forward pass packs the weights for the backward pass as well, if the kernel packs them.

    It lives as long as the step's graph, so that no write to a parameter can leave packed weights behind.
    """
    if not kernel.packs_weights:
        return None
    size = run.count(f"{kernel.name}_weights", ctypes.byref(arguments))
    return paddle.empty([size], "uint8")


def _pointers(tensors: Sequence[Tensor | None]) -> "ctypes.Array[ctypes.c_void_p]":
    pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    return (ctypes.c_void_p * len(pointers))(*pointers)
