"""Mixed precision: which products may be computed in bfloat16."""

import logging
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import paddle

_log = logging.getLogger("palm")


def mixed_precision(amp: Literal["off", "bf16"]) -> AbstractContextManager[None]:
    """The context that a forward pass runs in; weights, slots and reductions stay float32.

    On a GPU Paddle's own AMP chooses the operations (level O1; not run on a GPU here). Paddle's CPU build has no
    product in bfloat16, so the CPU computes in float32 and says so once.
    """
    if amp == "off":
        return nullcontext()
    if paddle.device.get_device() == "cpu":
        _say_once()
        return nullcontext()
    context: AbstractContextManager[None] = paddle.amp.auto_cast(dtype="bfloat16", level="O1")
    return context


@cache
def _say_once() -> None:
    _log.warning("amp: bf16 is for GPUs: Paddle's CPU build has no products in bfloat16. Computing in float32.")
