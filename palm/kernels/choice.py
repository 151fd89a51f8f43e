"""Chooses the kernels that compute an encoder on this machine: fused ones in C, or Paddle's own operations."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from paddle import Tensor

from palm.errors import ConfigError, Problem
from palm.kernels import plain
from palm.kernels.contract import ComputeLayer, Rows
from palm.kernels.fused import layer as fused
from palm.kernels.fused.bf16_layer import compute_layer as compute_fused_layer
from palm.kernels.fused.bf16_layer import packing_for
from palm.kernels.fused.encoder_call import EncoderCall
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.fused.packing import Packing

_log = logging.getLogger("palm")

# Values of the backbone's key `kernels`.
Wanted = Literal["auto", "fused", "plain"]


@dataclass(frozen=True)
class EncoderKernels:
    """The kernels of an encoder.

    Attributes:
        name: `fused` or `plain`.
        compute_layer: A whole encoder layer.
        layer_norm: Layer normalisation of [rows width].
        dropout: Dropout of [rows width].
        packing_for: How the rows of a batch are packed for all layers; None if they are not.
        encoder_call: All layers in one call, for prediction; None if they are computed one by one.
    """

    name: Literal["fused", "plain"]
    compute_layer: ComputeLayer
    layer_norm: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    dropout: Callable[[Tensor, float], Tensor]
    packing_for: Callable[[Tensor, Rows], Packing | None]
    encoder_call: type[EncoderCall] | None = None


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
