"""Matrix products; all of them are computed here."""

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
    """A function that computes matrix products."""

    def __call__(
        self, one: Tensor, other: Tensor, *, transpose_one: bool = False, transpose_other: bool = False
    ) -> Tensor:
        """`one @ other` over the last two axes, either of them transposed first."""
        ...


class _Precision:
    bf16 = False


def in_bf16() -> bool:
    """Whether encoder layers currently multiply in bfloat16."""
    return _Precision.bf16


@contextmanager
def bf16_products() -> Iterator[None]:
    """Make encoder layers multiply in bfloat16: in forward passes inside the context, and in their backward passes."""
    before, _Precision.bf16 = _Precision.bf16, True
    try:
        yield
    finally:
        _Precision.bf16 = before


def in_float32() -> AbstractContextManager[None]:
    """Keep products inside the context in float32 although Paddle's AMP is on: those that compute sums."""
    context: AbstractContextManager[None] = paddle.amp.auto_cast(enable=False)
    return context
