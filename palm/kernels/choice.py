"""Chooses the kernels that compute an encoder on this machine: fused ones in C, or Paddle's own operations."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

from paddle import Tensor

from palm.errors import ConfigError, Problem
from palm.kernels import plain
from palm.kernels.contract import ComputeLayer, LayerSettings, LayerWeights, Rows
from palm.kernels.fused import bf16_layer, float32_layer
from palm.kernels.fused import layer as fused
from palm.kernels.fused.encoder_call import EncoderCall
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.fused.packing import Packing
from palm.kernels.products import in_bf16

_log = logging.getLogger("palm")

# Values of the backbone's key `kernels`.
Wanted = Literal["auto", "fused", "plain"]


class Dropout(Protocol):
    """Zeroes a random fraction of [rows width]."""

    def __call__(self, values: Tensor, probability: float, *, before: int | None = None) -> Tensor:
        """`values` after dropout; `before` is by default the number of rows before them in a padded batch."""
        ...


@dataclass(frozen=True)
class EncoderKernels:
    """The kernels of an encoder.

    Attributes:
        name: `fused` or `plain`.
        compute_layer: A whole encoder layer.
        layer_norm: Layer normalisation of [rows width].
        dropout: Dropout of [rows width]; `before` is the number of rows before them: see `palm.kernels.batch_position`.
        packing_for: How the rows of a batch are packed for all layers; None if they are not.
        encoder_call: All layers in one call, for prediction; None if they are computed one by one.
    """

    name: Literal["fused", "plain"]
    compute_layer: ComputeLayer
    layer_norm: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    dropout: Dropout
    packing_for: Callable[[Tensor, Rows], Packing | None]
    encoder_call: type[EncoderCall] | None = None


def compute_fused_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """An encoder layer in the fastest of the fused ways; see `ComputeLayer`."""
    compute = bf16_layer.compute_layer if settings.bf16 else float32_layer.compute_layer
    return compute(hidden, weights, settings=settings, rows=rows)


def packing_for(hidden: Tensor, rows: Rows) -> Packing | None:
    """How to pack the rows of a batch once for all fused layers; None if these compute padded rows."""
    return bf16_layer.packing_for(hidden, rows) if in_bf16() else float32_layer.packing_for(hidden, rows)


PLAIN = EncoderKernels("plain", plain.compute_layer, plain.layer_norm, plain.dropout, lambda *_: None)
FUSED = EncoderKernels("fused", compute_fused_layer, fused.layer_norm, fused.dropout, packing_for, EncoderCall)


def choose_kernels(chosen: Wanted) -> EncoderKernels:
    """The kernels that `kernels: auto | fused | plain` selects on this machine.

    Raises:
        ConfigError: `fused` is set but not available.
    """
    if chosen == "plain":
        return PLAIN
    try:
        load_kernels()
    except KernelsUnavailableError as reason:
        if chosen == "fused":
            rule = (
                f"the fused kernels cannot be used here: {reason}. Use `auto`, or install PALM again with a C compiler."
            )
            raise ConfigError(Problem("kernels", rule)) from reason
        _warn_once(str(reason))
        return PLAIN
    return FUSED


@cache
def _warn_once(reason: str) -> None:
    if "GPU" not in reason:
        _log.warning("Computing with Paddle's own operations, which are slower than the fused kernels: %s.", reason)
