"""Matrix products in bfloat16 on a CPU by oneDNN: operands are rounded, sums and results are float32.

`check_products` compares them with float32 products of rounded operands before the first use.
"""

import math
from functools import cache, lru_cache

import paddle
from paddle import Tensor

from palm.kernels.fused.built import processor_flags
from palm.kernels.fused.library import KernelsUnavailableError, load_kernels
from palm.kernels.fused.onednn import BFLOAT16, Layout, MatrixProduct, OneDnnError
from palm.kernels.products import product

FAST = {"avx512_bf16", "amx_bf16"}
_SHAPES_KEPT = 1024
_TOLERANCE = 1e-4  # of the largest value; both sides sum the same rounded numbers in float32


class Bf16UnavailableError(Exception):
    """Fast products in bfloat16 are not available; the message gives the reason."""


def bf16_product(one: Tensor, other: Tensor, *, transpose_one: bool = False, transpose_other: bool = False) -> Tensor:
    """`product` of the operands rounded to bfloat16; float32 of at least two axes, each with the same leading ones."""
    return rounded_product(rounded(one), rounded(other), transpose_one=transpose_one, transpose_other=transpose_other)


def rounded_product(
    one: Tensor, other: Tensor, *, transpose_one: bool = False, transpose_other: bool = False
) -> Tensor:
    """`bf16_product` of operands that are bfloat16 already."""
    return _multiplied(one, other, (transpose_one, transpose_other), BFLOAT16)


def rounded(values: Tensor) -> Tensor:
    """`values`, float32, to the nearest bfloat16; ties to even."""
    result = paddle.empty(values.shape, "bfloat16")
    load_kernels()("to_bf16", values.contiguous(), result, values.size)
    return result


def emulated_product(
    one: Tensor, other: Tensor, *, transpose_one: bool = False, transpose_other: bool = False
) -> Tensor:
    """The result of `bf16_product` on any processor, slower: float32 products of rounded operands."""
    source, weights = (rounded(each).astype("float32") for each in (one, other))
    return product(source, weights, transpose_one=transpose_one, transpose_other=transpose_other)


@cache
def check_products() -> None:
    """Check that products in bfloat16 are fast and correct on this machine.

    Raises:
        Bf16UnavailableError: They are not.
    """
    if not processor_flags() & FAST:
        raise Bf16UnavailableError("this processor has neither AVX512-BF16 nor AMX")
    generator = paddle.arange(48 * 64, dtype="float32").sin()
    one, other = generator.reshape([48, 64]), generator.cos().reshape([64, 48])
    try:
        found = bf16_product(one, other)
    except (KernelsUnavailableError, OneDnnError) as error:
        raise Bf16UnavailableError(str(error)) from error
    expected = emulated_product(one, other)
    difference = float((found - expected).abs().max()) / float(expected.abs().max())
    if not difference <= _TOLERANCE:
        raise Bf16UnavailableError(f"oneDNN's product is off by {difference:.1e} on this processor")


def _multiplied(one: Tensor, other: Tensor, transposed: tuple[bool, bool], data_type: int) -> Tensor:
    *batch, rows, inner = _shape(one, transposed[0])
    columns = _shape(other, transposed[1])[-1]
    result = paddle.empty([*batch, rows, columns], "float32")
    if result.size:
        multiply = _of_shape((math.prod(batch), rows, inner, columns), transposed, data_type)
        multiply(one.data_ptr(), other.data_ptr(), result.data_ptr())
    return result


@lru_cache(_SHAPES_KEPT)
def _of_shape(sizes: tuple[int, int, int, int], transposed: tuple[bool, bool], data_type: int) -> MatrixProduct:
    batch, rows, inner, columns = sizes
    operands = [_layout(batch, rows, inner, transposed[0]), _layout(batch, inner, columns, transposed[1])]
    return MatrixProduct(operands, _layout(batch, rows, columns, False), data_type)


def _layout(batch: int, rows: int, columns: int, transposed: bool) -> Layout:
    """Shape and strides of a matrix [rows columns] as an operand; `transposed`: it is stored as [columns rows]."""
    strides = (1, rows) if transposed else (columns, 1)
    if batch == 1:
        return (rows, columns), strides
    return (batch, rows, columns), (rows * columns, *strides)


def _shape(operand: Tensor, transposed: bool) -> list[int]:
    *batch, rows, columns = operand.shape
    return [*batch, columns, rows] if transposed else [*batch, rows, columns]
