"""Matrix products; all of them are computed here."""

import threading
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


class Int8UnavailableError(Exception):
    """An encoder cannot be computed in 8-bit integers; the message gives the reason."""


class _Precision(threading.local):
    """Of each thread its own: a prediction beside a training run in bfloat16 stays as it is alone."""

    bf16 = False
    int8 = False


_precision = _Precision()


def in_bf16() -> bool:
    """Whether encoder layers currently multiply in bfloat16, in this thread."""
    return _precision.bf16


def bf16_products() -> AbstractContextManager[None]:
    """Make encoder layers multiply in bfloat16: in forward passes inside the context, and in their backward passes."""
    return layer_products(bf16=True)


@contextmanager
def layer_products(*, bf16: bool) -> Iterator[None]:
    """Make encoder layers multiply in bfloat16 or in float32, in this thread."""
    before, _precision.bf16 = _precision.bf16, bf16
    try:
        yield
    finally:
        _precision.bf16 = before


def in_float32() -> AbstractContextManager[None]:
    """Keep products inside the context in float32 although Paddle's AMP is on: those that compute sums."""
    context: AbstractContextManager[None] = paddle.amp.auto_cast(enable=False)
    return context


def in_int8() -> bool:
    """Whether encoders are currently computed with their weights in 8-bit integers, in this thread."""
    return _precision.int8


@contextmanager
def int8_weights() -> Iterator[None]:
    """Make encoders compute with their weights in 8-bit integers, in this thread: for prediction alone.

    An encoder that has no such kernel raises `Int8UnavailableError`; it does not compute in another precision instead.
    """
    before, _precision.int8 = _precision.int8, True
    try:
        yield
    finally:
        _precision.int8 = before
