"""Chooses what computes an encoder on this machine: the fused C kernels, or Paddle's own operations."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from paddle import Tensor

from palm.errors import ConfigError, Problem
from palm.kernels import plain
from palm.kernels.contract import ComputeLayer
from palm.kernels.fused import layer as fused
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels

_log = logging.getLogger("palm")

# As the key `kernels` of a backbone.
Wanted = Literal["auto", "fused", "plain"]


@dataclass(frozen=True)
class EncoderKernels:
    """What an encoder is computed with.

    Attributes:
        name: `fused` or `plain`.
        compute_layer: A whole encoder layer.
        layer_norm: Layer normalisation of [rows width].
        dropout: Dropout of [rows width].
    """

    name: Literal["fused", "plain"]
    compute_layer: ComputeLayer
    layer_norm: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    dropout: Callable[[Tensor, float], Tensor]


PLAIN = EncoderKernels("plain", plain.compute_layer, plain.layer_norm, plain.dropout)
FUSED = EncoderKernels("fused", fused.compute_layer, fused.layer_norm, fused.dropout)


def choose_kernels(wanted: Wanted) -> EncoderKernels:
    """What `kernels: auto | fused | plain` means on this machine.

    Raises:
        ConfigError: `fused` is wanted and cannot be had.
    """
    if wanted == "plain":
        return PLAIN
    try:
        load_kernels()
    except KernelsUnavailableError as reason:
        if wanted == "fused":
            rule = (
                f"the fused kernels cannot be used here: {reason}. Use `auto`, or install PALM again with a C compiler."
            )
            raise ConfigError(Problem("kernels", rule)) from reason
        _say_once(str(reason))
        return PLAIN
    return FUSED


@cache
def _say_once(reason: str) -> None:
    if "GPU" not in reason:
        _log.warning("Computing with Paddle's own operations, slower than the fused kernels: %s.", reason)
