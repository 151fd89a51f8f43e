"""Matrix products of oneDNN, which Paddle's wheel contains without its header: https://uxlfoundation.github.io/oneDNN.

Handles are freed with the product that description them. Values of enumerations are those of oneDNN 3.
"""

import ctypes
import weakref
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import paddle

BFLOAT16, FLOAT32 = 2, 3  # dnnl_data_type_t
_CPU, _IN_ORDER = 1, 1  # dnnl_engine_kind_t, dnnl_stream_flags_t
_SOURCE, _WEIGHTS, _TARGET = 1, 33, 17  # DNNL_ARG_*
_MOST_AXES = 12

_Dims = ctypes.c_int64 * _MOST_AXES
_pointer = ctypes.c_void_p

Layout = tuple[Sequence[int], Sequence[int]]
"""Shape and strides."""


class OneDnnError(Exception):
    """A call of oneDNN failed; the message names it."""


class _Argument(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int), ("memory", _pointer))


class MatrixProduct:
    """One product of fixed shapes, `target = source @ weights`, with float32 sums.

    Args:
        operands: Shape and strides (in elements) of source [(batch) rows inner] and weights [(batch) inner columns].
        target: The same of [(batch) rows columns], float32.
        data_type: Element type of the operands, `BFLOAT16` or `FLOAT32`.

    Raises:
        OneDnnError: This processor has no such product.
    """

    def __init__(self, operands: Sequence[Layout], target: Layout, data_type: int) -> None:
        engine, self._stream = _engine_and_stream()
        descriptions = [_describe(shape, strides, data_type) for shape, strides in operands]
        descriptions.append(_describe(*target, FLOAT32))
        source, weights, out = descriptions
        description = _create("dnnl_matmul_primitive_desc_create", engine, source, weights, None, out, None)
        self._primitive = _create("dnnl_primitive_create", description)
        self._memories = [_create("dnnl_memory_create", each, engine, None) for each in descriptions]
        numbers = (_SOURCE, _WEIGHTS, _TARGET)
        pairs = zip(numbers, self._memories, strict=True)
        self._arguments = (_Argument * 3)(*(_Argument(number, memory) for number, memory in pairs))
        _call("dnnl_primitive_desc_destroy", description)
        for each in descriptions:
            _call("dnnl_memory_desc_destroy", each)
        weakref.finalize(self, _destroy, self._primitive, self._memories)

    def __call__(self, source: int, weights: int, target: int) -> None:
        """Compute the product of the data at the given addresses."""
        for memory, address in zip(self._memories, (source, weights, target), strict=True):
            _call("dnnl_memory_set_data_handle", memory, _pointer(address))
        _call("dnnl_primitive_execute", self._primitive, self._stream, 3, self._arguments)
        _call("dnnl_stream_wait", self._stream)


@cache
def _library() -> ctypes.CDLL:
    """oneDNN, which Paddle has already loaded.

    Raises:
        OneDnnError: Paddle's wheel does not contain it.
    """
    try:
        return ctypes.CDLL(str(Path(paddle.__file__).parent / "libs" / "libdnnl.so.3"))
    except OSError as error:
        raise OneDnnError(f"Paddle's wheel has no oneDNN: {error}") from error


@cache
def _engine_and_stream() -> tuple[_pointer, _pointer]:
    engine = _create("dnnl_engine_create", _CPU, ctypes.c_size_t(0))
    return engine, _create("dnnl_stream_create", engine, ctypes.c_uint(_IN_ORDER))


def _describe(shape: Sequence[int], strides: Sequence[int], data_type: int) -> _pointer:
    return _create("dnnl_memory_desc_create_with_strides", len(shape), _Dims(*shape), data_type, _Dims(*strides))


def _create(function: str, *arguments: Any) -> _pointer:  # noqa: ANN401 - handles, numbers, arrays of ctypes
    """The handle that a `…_create` function returns through its first argument."""
    handle = _pointer()
    _call(function, ctypes.byref(handle), *arguments)
    return handle


def _call(function: str, *arguments: Any) -> None:  # noqa: ANN401
    """Call a function of oneDNN.

    Raises:
        OneDnnError: Its status is not `dnnl_success`.
    """
    try:
        status = getattr(_library(), function)(*arguments)
    except AttributeError as error:
        raise OneDnnError(f"this oneDNN has no `{function}`") from error
    if status:
        raise OneDnnError(f"`{function}` of oneDNN returned status {status}")


def _destroy(primitive: _pointer, memories: Sequence[_pointer]) -> None:
    for memory in memories:
        _library().dnnl_memory_destroy(memory)
    _library().dnnl_primitive_destroy(primitive)
