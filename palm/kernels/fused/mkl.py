"""Finds the matrix product of the math library (MKL) that Paddle's wheel contains and has loaded, for calls from C."""

import ctypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

import paddle


class ProductFunctions(NamedTuple):
    """Addresses of C functions.

    Attributes:
        sgemm: `cblas_sgemm`, with 32-bit sizes.
        limit_threads: `mkl_set_num_threads_local`, which limits the threads of the calling thread's products.
    """

    sgemm: int
    limit_threads: int


@cache
def find_product_functions() -> ProductFunctions | None:
    """The functions; None where Paddle computes with another library."""
    file = Path(paddle.__file__).parent / "libs" / "libmklml_intel.so"
    try:
        library = ctypes.CDLL(str(file))
        found = (library.cblas_sgemm, library.MKL_Set_Num_Threads_Local)
    except (OSError, AttributeError):
        return None
    return ProductFunctions(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found))
