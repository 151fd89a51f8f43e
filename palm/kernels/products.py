"""Matrix products, the one place where they are computed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import paddle
from paddle import Tensor


def product(one: Tensor, other: Tensor, *, transpose_one: bool = False, transpose_other: bool = False) -> Tensor:
    """`one @ other` over the last two axes, either of them transposed first."""
    result: Tensor = paddle.matmul(one, other, transpose_one, transpose_other)  # type: ignore[no-untyped-call]
    return result


class Product(Protocol):
    """What computes a matrix product."""

    def __call__(
        self, one: Tensor, other: Tensor, *, transpose_one: bool = False, transpose_other: bool = False
    ) -> Tensor:
        """`one @ other` over the last two axes, either of them transposed first."""
        ...


class _Precision:
    bf16 = False


def in_bf16() -> bool:
    """Whether encoder layers are to multiply in bfloat16 now."""
    return _Precision.bf16


@contextmanager
def bf16_products() -> Iterator[None]:
    """Have encoder layers multiply in bfloat16, forward and in the backward pass of what runs forward in here."""
    before, _Precision.bf16 = _Precision.bf16, True
    try:
        yield
    finally:
        _Precision.bf16 = before


def in_float32() -> AbstractContextManager[None]:
    """Products that are sums in truth stay float32 in here, also where Paddle's AMP is on (not run on a GPU here)."""
    context: AbstractContextManager[None] = paddle.amp.auto_cast(enable=False)
    return context
