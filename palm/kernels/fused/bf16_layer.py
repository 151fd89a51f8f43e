"""An encoder layer in bfloat16 as two calls of C, forward and backward: see bf16_layer.c.

It computes packed rows: the tokens that exist, without padding.
"""

from functools import cache

from paddle import Tensor

from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused import layer, packed_layer
from palm.kernels.fused.layer import ACTIVATIONS, fits
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.fused.packing import Packing
from palm.kernels.products import in_bf16

_KERNEL = packed_layer.Kernel("bf16_layer")


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
    return packed_layer.compute(hidden, weights, settings=settings, rows=rows, kernel=_KERNEL)
