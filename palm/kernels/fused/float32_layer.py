"""An encoder layer in float32 as two calls of C, forward and backward: see float32_layer.c.

It computes packed rows: the tokens that exist, without padding. Its matrix products are those of the math library (MKL)
that Paddle's wheel contains and has loaded.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

import paddle
from paddle import Tensor

from palm.kernels.contract import LayerSettings, LayerWeights, PackedRows, Rows
from palm.kernels.fused import packed_layer
from palm.kernels.fused.layer import ACTIVATIONS, fits
from palm.kernels.fused.library import KernelLibrary, KernelsUnavailableError, load_kernels
from palm.kernels.fused.packing import Packing

_KERNEL = packed_layer.Kernel("float32_layer", keeps_input=True)


class ProductFunctions(NamedTuple):
    """Addresses of C functions of the math library.

    Attributes:
        sgemm: `cblas_sgemm`, with 32-bit sizes.
        limit_threads: `mkl_set_num_threads_local`, which limits the threads of the calling thread's products.
    """

    sgemm: int
    limit_threads: int


def computes_here(settings: LayerSettings, hidden: Tensor) -> bool:
    """Whether `compute_packed_layer` computes the layer: in float32, where the math library can be called from C."""
    return not settings.bf16 and settings.activation in ACTIVATIONS and fits(hidden) and has_products()


@cache
def has_products() -> bool:
    """Whether the kernels have matrix products on this machine."""
    try:
        return give_products(load_kernels())
    except KernelsUnavailableError:
        return False


@cache
def find_product_functions() -> ProductFunctions | None:
    """The functions of MKL; None where Paddle computes with another library."""
    try:
        library = ctypes.CDLL(str(Path(paddle.__file__).parent / "libs" / "libmklml_intel.so"))
        found = (library.cblas_sgemm, library.MKL_Set_Num_Threads_Local)
    except (OSError, AttributeError):
        return None
    return ProductFunctions(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found))


def give_products(kernels: KernelLibrary) -> bool:
    """Give `kernels` the math library's matrix products; False if there are none."""
    functions = find_product_functions()
    if functions is None:
        return False
    kernels("float32_begin", *functions)
    return True


def packing_for(hidden: Tensor, rows: Rows) -> Packing | None:
    """How to pack the rows of a batch once for all layers; None if these compute padded rows.

    Args:
        hidden: The first hidden states, float32[batch*seq hidden].
        rows: The batch's sequences.
    """
    return Packing(rows) if fits(hidden) and has_products() else None


def compute_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: Rows) -> Tensor:
    """See `packed_layer.compute_layer`."""
    applies = computes_here(settings, hidden)
    return packed_layer.compute_layer(
        hidden, weights, settings=settings, rows=rows, in_one_call=compute_packed_layer, applies=applies
    )


def compute_packed_layer(hidden: Tensor, weights: LayerWeights, *, settings: LayerSettings, rows: PackedRows) -> Tensor:
    """Next hidden states, float32[rows hidden], of packed `rows`."""
    return packed_layer.compute(hidden, weights, settings=settings, rows=rows, kernel=_KERNEL)
