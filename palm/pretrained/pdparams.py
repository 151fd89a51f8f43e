"""Reads `.pdparams` files, which are pickles, without executing code from them.

Every global that a file names is refused except the few that dictionaries of arrays need; these are replaced by
stand-ins that can do nothing else.
"""

import io
import math
import mmap
import pickle  # nosec B403
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from palm.errors import CheckpointError
from palm.pretrained.paddle1x import widen_bfloat16

_ELEMENT_TYPE = re.compile(r"[<>=|]?[biuf][1248]")
_BYTE_ORDERS = ("<", ">", "=", "|")
_LONGEST_AXIS = 2**31


class _ArrayMark:
    """Stands for `numpy.ndarray`, which a pickle only passes to `_reconstruct`."""

    __slots__ = ()


class _EmptyArray:
    """Stands for `_reconstruct`: creates the empty array that the pickle's state then fills."""

    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object) -> np.ndarray:
        if not isinstance(kind, _ArrayMark):
            raise pickle.UnpicklingError("an array of an unknown kind")
        return np.empty(0, np.int8)


class _ElementType:
    """Stands for `numpy.dtype`: plain numbers only."""

    __slots__ = ()

    def __call__(self, name: object, align: object = False, copy: object = True) -> np.dtype:
        if not isinstance(name, str) or not _ELEMENT_TYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"an array of {name!r}")
        return np.dtype(name, copy=True)  # a copy: the pickle sets its byte order


class Dictionary:
    """Stands for `collections.OrderedDict`; dictionaries keep their order anyway."""

    __slots__ = ()

    def __call__(self, items: object = ()) -> dict[object, object]:
        """A dictionary of pairs."""
        if not isinstance(items, list | tuple):
            raise pickle.UnpicklingError("a dictionary of an unknown form")
        return dict(items)


class _Tuple:
    """Stands for `tuple`: Paddle writes a parameter as `tuple((name, array))`."""

    __slots__ = ()

    def __call__(self, items: object = ()) -> tuple[object, ...]:
        if not isinstance(items, list | tuple):
            raise pickle.UnpicklingError("a tuple of an unknown form")
        return tuple(items)


class _Latin1:
    """Stands for `codecs.encode`: Python 2's way to write bytes."""

    __slots__ = ()

    def __call__(self, text: object, encoding: object) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
        return text.encode("latin1")


ALLOWED: Mapping[str, object] = {
    "numpy.core.multiarray._reconstruct": _EmptyArray(),
    "numpy._core.multiarray._reconstruct": _EmptyArray(),
    "numpy.ndarray": _ArrayMark(),
    "numpy.dtype": _ElementType(),
    "collections.OrderedDict": Dictionary(),
    "builtins.tuple": _Tuple(),
    "_codecs.encode": _Latin1(),
}
"""What a file may name → what stands for it."""


# Python's unpickler in Python: the one in C allocates its memo up to the index that a file names, so that five bytes
# cost 64 GB. Weights are few instructions and much data, so it is not slower.
class GuardedUnpickler(pickle._Unpickler):
    """Reads dictionaries of arrays and calls nothing but the stand-ins in `allowed`, by the names in a file."""

    dispatch: ClassVar[dict[int, Any]] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }  # weights have no byte arrays, and it would allocate one before checking that the file has as many bytes
    stack: list[Any]  # attribute of the unpickler in Python

    def __init__(self, data: bytes | mmap.mmap, where: str, allowed: Mapping[str, object] = ALLOWED) -> None:
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        super().__init__(stream, encoding="latin1")  # arrays written by Python 2
        self._where = where
        self._allowed = allowed

    def load_build(self) -> None:
        """Fill an array, or set an element type's byte order; whatever else a state may change is refused.

        An element type's state may also hold flags, named fields and sub-arrays, and say that its elements are Python
        objects: numpy believes it, and then takes the file's bytes for addresses in memory.
        """
        state, target = self.stack[-1], self.stack[-2]
        if isinstance(target, np.dtype):
            _check_element_type(state)
        elif isinstance(target, np.ndarray):
            _check_array(state)
        else:
            raise pickle.UnpicklingError(f"a state of {type(target).__name__}")
        super().load_build()  # type: ignore[misc]

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str, /) -> object:
        """What stands for a global that is allowed.

        Raises:
            CheckpointError: Another one.
        """
        requested = f"{module}.{name}"
        if requested not in self._allowed:
            raise CheckpointError(
                f"{self._where}: a weights file contains arrays and no code. Refused `{requested}`; nothing was "
                "executed. Do not use this file, or ask its author for safetensors."
            )
        return self._allowed[requested]


def _check_element_type(state: object) -> None:
    """`(version, byte order, sub-array, names, fields, size, alignment, flags)`: of plain numbers the order alone."""
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
    # `repr`, since 0.0 and False are equal to 0
    if order not in _BYTE_ORDERS or repr(state) != repr((3, order, None, None, None, -1, -1, 0)):
        raise pickle.UnpicklingError("an element type with more than a byte order")


def _check_array(state: object) -> None:
    """`(version, shape, element type, column order, bytes)`: an array of plain numbers, as long as its bytes."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise pickle.UnpicklingError("an array of an unknown form")
    version, shape, kind, column_order, data = state
    axes = isinstance(shape, tuple) and all(type(length) is int and 0 <= length < _LONGEST_AXIS for length in shape)
    if version != 1 or not axes or not isinstance(kind, np.dtype) or column_order not in (0, 1):
        raise pickle.UnpicklingError(f"an array of the shape {shape!s:.80}")
    if not isinstance(data, bytes | str) or len(data) != math.prod(shape) * kind.itemsize:
        raise pickle.UnpicklingError(f"an array of the shape {shape!s:.80} with other bytes than it needs")


def read_pdparams(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.pdparams` file by name.

    Raises:
        CheckpointError: The file names anything but arrays, or is not a pickled dictionary.
    """
    try:
        content = GuardedUnpickler(file.read_bytes(), str(file)).load()
        names = {str(name): value for name, value in content.items()} if isinstance(content, dict) else {}
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise CheckpointError(f"{file}: cannot be read as .pdparams: {error}. Use another copy.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file}: must be a dictionary from names to arrays. Found {type(content).__name__}.")
    found = {name: _array(value) for name, value in names.items()}
    return {name: array for name, array in found.items() if array is not None}


def _array(value: object) -> np.ndarray | None:
    """The array of an entry: bare, or `(name, array)`; None for entries that are not weights."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        return None
    return widen_bfloat16(value) if value.dtype == np.uint16 else value  # Paddle stores bfloat16 as uint16
