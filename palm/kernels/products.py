"""Matrix products, the one place where they are computed."""

import paddle
from paddle import Tensor


def product(one: Tensor, other: Tensor, *, transpose_one: bool = False, transpose_other: bool = False) -> Tensor:
    """`one @ other` over the last two axes, either of them transposed first."""
    result: Tensor = paddle.matmul(one, other, transpose_one, transpose_other)  # type: ignore[no-untyped-call]
    return result
