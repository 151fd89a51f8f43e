"""An encoder layer in bfloat16 as two calls of C, forward and backward: see bf16_layer.c.

It computes packed rows: the tokens that exist, without padding.
"""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused import layer, packed_layer
from palm.kernels.fused.bf16 import Bf16UnavailableError
from palm.kernels.fused.layer import ACTIVATIONS, fits
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.fused.packing import Packing
from palm.kernels.products import in_bf16

_KERNEL = packed_layer.Kernel("bf16_layer", packs_weights=True)
FAST_LEVELS = {"amx", "avx512bf16"}
"""Builds with which the layer is faster than with products of oneDNN.

Without tiles, on an Intel processor with AMX that was kept to AVX512-BF16, it took 258 ms of one thread for 16 × 128
tokens of width 384, forward and backward, oneDNN 342 and the layer in float32 204; for 32 short texts 123, 209 and 81.
"""

_TOLERANCE = 0.03  # of each tensor's norm; 0.003 to 0.01 is usual


def computes_here(settings: LayerSettings, hidden: Tensor) -> bool:
    """Whether `compute_packed_layer` is the fastest way to compute the layer: in bfloat16, where `layer_is_fast`."""
    return settings.bf16 and settings.activation in ACTIVATIONS and fits(hidden) and layer_is_fast()


@cache
def layer_is_fast() -> bool:
    """Whether the kernels are of a build with which the layer is faster than products of oneDNN."""
    try:
        return load_kernels().level in FAST_LEVELS
    except KernelsUnavailableError:
        return False


def packing_for(hidden: Tensor, rows: Rows) -> Packing | None:
    """How to pack the rows of a batch once for all layers; None if these compute padded rows.

    Args:
        hidden: The first hidden states, float32[batch*seq hidden].
        rows: The batch's sequences.
    """
    return Packing(rows) if in_bf16() and fits(hidden) and layer_is_fast() else None


def compute_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """See `packed_layer.compute_layer`."""
    applies = computes_here(settings, hidden)
    return packed_layer.compute_layer(
        hidden, weights, settings=settings, rows=rows, in_one_call=compute_packed_layer, applies=applies
    )


def compute_packed_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: PackedRows) -> Tensor:
    """Next hidden states, float32[rows hidden], of packed `rows`."""
    return packed_layer.compute(hidden, weights, settings=settings, rows=rows, kernel=_KERNEL)


@cache
def check_layer() -> None:
    """Compare the layer, where this machine uses it, with the float32 one on a small input: output and gradients.

    Raises:
        Bf16UnavailableError: They differ by more than rounding explains.
    """
    if not layer_is_fast():
        return
    settings = LayerSettings(2, "gelu", 1e-12, 0.0, 0.0, bf16=True)
    rows = PackedRows(2, 40, None, np.array([0, 40, 80], np.int64))
    hidden, *weights = _check_inputs(tokens=80, width=64, inner=96)
    exact = replace(settings, bf16=False), Rows(2, 40, None)
    expected = _outputs(layer.FusedLayer, hidden, *weights, *exact)
    found = _outputs(packed_layer.PackedLayer, hidden, *weights, settings, rows.starts, _KERNEL)
    names = ("output", "input", *LayerWeights.__dataclass_fields__)
    for name, one, other in zip(names, found, expected, strict=True):
        difference = float((one - other).norm()) / float(other.norm())
        if not difference <= _TOLERANCE:
            subject = "output" if name == "output" else f"gradient of {name}"
            raise Bf16UnavailableError(f"the layer's {subject} is off by {difference:.1e} on this processor")


def _check_inputs(*, tokens: int, width: int, inner: int) -> list[Tensor]:
    """Hidden states and the twelve parameters; the same numbers always, and none from Paddle's generator."""
    shapes = [(tokens, width), (width, 3 * width), (3 * width,), (width, width), (width,), (width,), (width,)]
    shapes += [(width, inner), (inner,), (inner, width), (width,), (width,), (width,)]
    generator = np.random.default_rng(0)
    return [paddle.to_tensor(generator.normal(0, 0.3, shape).astype("float32")) for shape in shapes]


def _outputs(function: Any, *inputs: Any) -> tuple[Tensor, ...]:  # noqa: ANN401 - tensors, settings, rows
    """The output of a layer and all its gradients, called without autograd, whose mode other threads share."""
    ctx = _Context()
    output = function.forward(ctx, *inputs)
    ctx.needed = (True,) * 13
    return output, *function.backward(ctx, output.sin())


class _Context(SimpleNamespace):
    def save_for_backward(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def saved_tensor(self) -> tuple[Tensor, ...]:
        return self.tensors
