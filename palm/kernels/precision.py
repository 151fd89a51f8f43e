"""Mixed precision: which products are computed in bfloat16, in training and in prediction."""

import logging
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import paddle

from palm.kernels.fused.bf16 import Bf16UnavailableError, check_products
from palm.kernels.products import bf16_products, in_float32, layer_products

_log = logging.getLogger("palm")


def mixed_precision(amp: Literal["off", "bf16"]) -> AbstractContextManager[None]:
    """The context of a forward pass; weights, optimizer state, sums and reductions stay float32.

    On a GPU Paddle's own AMP chooses the operations (level O1). On a CPU with AVX512-BF16 or AMX the fused encoder
    layers multiply in bfloat16; on other CPUs everything stays float32, with one warning.
    """
    if amp == "off":
        return nullcontext()
    if paddle.device.get_device() == "cpu":
        return bf16_products() if _on_this_cpu() else nullcontext()
    context: AbstractContextManager[None] = paddle.amp.auto_cast(dtype="bfloat16", level="O1")
    return context


def float32() -> AbstractContextManager[None]:
    """The context of a forward pass in float32, whatever the precision around it."""
    return layer_products(bf16=False) if paddle.device.get_device() == "cpu" else in_float32()


def precision_here(amp: Literal["off", "bf16"]) -> Literal["off", "bf16"]:
    """What `mixed_precision(amp)` computes in on this machine; a warning where that is another precision."""
    if amp == "off" or paddle.device.get_device() != "cpu" or _on_this_cpu():
        return amp
    return "off"


@cache
def _on_this_cpu() -> bool:
    try:
        check_products()
    except Bf16UnavailableError as reason:
        _log.warning("amp: bf16 cannot be used: %s. Computing in float32.", reason)
        return False
    return True
