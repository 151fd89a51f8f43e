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
_ARGUMENTS = (1, 33, 17, 80)  # DNNL_ARG_SRC, _WEIGHTS, _DST, _SCRATCHPAD
_SCRATCH_OF_CALLER, _QUERY_SCRATCH = 1, 136  # dnnl_scratchpad_mode_user, dnnl_query_scratchpad_md
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
    """One product of fixed shapes, `target = source @ weights`, with float32 sums. Several threads may call it at once.

    What a call changes is its own: the holders of the three addresses, and scratch memory, of which oneDNN would
    otherwise have one for each thread that makes products, wherever they are then computed.

    Args:
        operands: Shape and strides (in elements) of source [(batch) rows inner] and weights [(batch) inner columns].
        target: The same of [(batch) rows columns], float32.
        data_type: Element type of the operands, `BFLOAT16` or `FLOAT32`.

    Raises:
        OneDnnError: This processor has no such product.
    """

    def __init__(self, operands: Sequence[Layout], target: Layout, data_type: int) -> None:
        operand_descriptions = [_describe(shape, strides, data_type) for shape, strides in operands]
        operand_descriptions.append(_describe(*target, FLOAT32))
        source, weights, out = operand_descriptions
        attributes = _create("dnnl_primitive_attr_create")
        _call("dnnl_primitive_attr_set_scratchpad_mode", attributes, _SCRATCH_OF_CALLER)
        description = _create("dnnl_matmul_primitive_desc_create", _engine(), source, weights, None, out, attributes)
        _call("dnnl_primitive_attr_destroy", attributes)
        self._primitive = _create("dnnl_primitive_create", description)
        scratch = _pointer(_library().dnnl_primitive_desc_query_md(description, _QUERY_SCRATCH, 0))
        self._scratch_size = int(_library().dnnl_memory_desc_get_size(scratch))
        self._descriptions = [*operand_descriptions, scratch] if self._scratch_size else operand_descriptions
        self._unused: list[_Execution] = []  # adding to a list and taking from it are atomic
        # Not at the interpreter's end, when a thread may still be computing.
        weakref.finalize(
            self, _destroy, self._primitive, description, operand_descriptions, self._unused
        ).atexit = False

    def __call__(self, source: int, weights: int, target: int) -> None:
        """Compute it for the data at three addresses."""
        addresses = [source, weights, target]
        if self._scratch_size:
            scratch = paddle.empty([self._scratch_size], "uint8")
            addresses.append(scratch.data_ptr())
        try:
            execution = self._unused.pop()
        except IndexError:
            execution = _Execution(self._descriptions)
        try:
            execution.run(self._primitive, addresses)
        finally:
            self._unused.append(execution)


class _Execution:
    """What one thread at a time computes a product with: a queue, and a holder of each address.

    Args:
        descriptions: Of source, weights and target, and of scratch memory where the product takes some.
    """

    def __init__(self, descriptions: Sequence[_pointer]) -> None:
        self._stream = _create("dnnl_stream_create", _engine(), ctypes.c_uint(_IN_ORDER))
        self._memories = [_create("dnnl_memory_create", each, _engine(), None) for each in descriptions]
        pairs = zip(_ARGUMENTS, self._memories, strict=False)  # without scratch memory three of the four
        self._arguments = (_Argument * len(descriptions))(*(_Argument(*pair) for pair in pairs))

    def run(self, primitive: _pointer, addresses: Sequence[int]) -> None:
        """Compute `primitive` for the data at `addresses`."""
        for memory, address in zip(self._memories, addresses, strict=True):
            _call("dnnl_memory_set_data_handle", memory, _pointer(address))
        _call("dnnl_primitive_execute", primitive, self._stream, len(addresses), self._arguments)
        _call("dnnl_stream_wait", self._stream)

    def destroy(self) -> None:
        """Free its handles."""
        for memory in self._memories:
            _library().dnnl_memory_destroy(memory)
        _library().dnnl_stream_destroy(self._stream)


@cache
def _library() -> ctypes.CDLL:
    """oneDNN, which Paddle has already loaded.

    Raises:
        OneDnnError: Paddle's wheel does not contain it.
    """
    try:
        library = ctypes.CDLL(str(Path(paddle.__file__).parent / "libs" / "libdnnl.so.3"))
        library.dnnl_primitive_desc_query_md.restype = _pointer
        library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    except OSError as error:
        raise OneDnnError(f"Paddle's wheel has no oneDNN: {error}") from error
    except AttributeError as error:
        raise OneDnnError(f"this oneDNN lacks a function: {error}") from error
    return library


@cache
def _engine() -> _pointer:
    return _create("dnnl_engine_create", _CPU, ctypes.c_size_t(0))


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


def _destroy(
    primitive: _pointer, description: _pointer, operands: Sequence[_pointer], executions: Sequence[_Execution]
) -> None:
    for execution in executions:
        execution.destroy()
    _library().dnnl_primitive_destroy(primitive)
    _library().dnnl_primitive_desc_destroy(description)
    for each in operands:
        _library().dnnl_memory_desc_destroy(each)
