"""Reads PyTorch's files of weights, which are pickles in a zip, without PyTorch and without executing code from them.

The pickle describes each tensor by a storage, an offset, a shape and strides; a storage is a member of the zip. Source:
`torch/serialization.py`, `torch/_utils.py`. As for `.pdparams`, every global but those of plain tensors is refused.
"""

import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from palm.errors import CheckpointError
from palm.pretrained.paddle1x import widen_bfloat16
from palm.pretrained.pdparams import Dictionary, GuardedUnpickler
from palm.schema.places import pointer_problem

_LONGEST_AXIS = 2**31
_BFLOAT16 = "bfloat16"
_STORAGES: Mapping[str, str] = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}
_NESTED = ("state_dict", "model_state_dict", "model")  # where training scripts keep the weights
_SAFE = "Ask its author for safetensors: in transformers, `model.save_pretrained(folder)`."


class _StorageType:
    """Stands for a class of storages, such as `torch.FloatStorage`: it has an element type and does nothing."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Storage:
    """The elements of a member of the zip."""

    __slots__ = ("elements", "kind")

    def __init__(self, elements: np.ndarray, kind: str) -> None:
        self.elements = elements
        self.kind = kind


class _Tensor:
    """Stands for `_rebuild_tensor_v2`: an array out of a storage, offset, shape and strides."""

    __slots__ = ()

    def __call__(self, storage: object, offset: object, shape: object, strides: object, *flags: object) -> np.ndarray:
        if not isinstance(storage, _Storage) or len(flags) > 3 or (len(flags) == 3 and flags[2]):
            raise ValueError("a tensor of an unknown form")
        elements = storage.elements
        lengths, steps = _whole_numbers(shape), _whole_numbers(strides)
        first = _whole_numbers((offset,))[0]
        count = math.prod(lengths)
        last = first + sum((length - 1) * step for length, step in zip(lengths, steps, strict=True))
        if count > len(elements) or (count and last >= len(elements)):
            raise ValueError(f"a tensor of the shape {lengths!s:.80} outside of its storage")
        if not count:
            return np.empty(lengths, elements.dtype if storage.kind != _BFLOAT16 else np.float32)
        size = elements.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(elements[first:], lengths, [step * size for step in steps])
        array = np.ascontiguousarray(view).reshape(lengths)
        return widen_bfloat16(array) if storage.kind == _BFLOAT16 else array


class _Parameter:
    """Stands for `_rebuild_parameter`: the tensor itself."""

    __slots__ = ()

    def __call__(self, data: object, requires_grad: object, hooks: object) -> object:
        return data


_ALLOWED: Mapping[str, object] = {
    "collections.OrderedDict": Dictionary(),
    "torch._utils._rebuild_tensor_v2": _Tensor(),
    "torch._utils._rebuild_parameter": _Parameter(),
    **{f"torch.{name}": _StorageType(kind) for name, kind in _STORAGES.items()},
}


class _Unpickler(GuardedUnpickler):
    """Reads the pickle of a zip, and the storages that it names with `storage`."""

    dispatch: ClassVar[dict[int, Any]] = {**GuardedUnpickler.dispatch}

    def __init__(self, data: bytes, where: str, storage: Callable[[str, str, int], _Storage]) -> None:
        super().__init__(data, where, _ALLOWED)
        self._storage = storage

    def persistent_load(self, pid: object) -> _Storage:
        """The storage `("storage", class, member, device, number of elements)`."""
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage":
            raise ValueError("a reference to something else than a storage")
        _, kind, member, _, count = pid
        if not isinstance(kind, _StorageType) or not isinstance(member, str) or type(count) is not int:
            raise ValueError("a storage of an unknown form")
        return self._storage(member, kind.kind, count)

    def load_build(self) -> None:
        """Pass over the attributes of a dictionary: `_metadata` of a model's `state_dict`."""
        state, target = self.stack.pop(), self.stack[-1]
        if type(state) is not dict or type(target) is not dict:
            raise ValueError(f"a state of {type(target).__name__}")

    dispatch[b"b"[0]] = load_build


def read_torch(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a file of `torch.save` by name; bfloat16 becomes float32.

    Raises:
        CheckpointError: The file names anything but tensors, is damaged, or is of a version before PyTorch 1.6.
    """
    pointer = pointer_problem(file)
    if pointer is not None:
        raise CheckpointError(f"{file}: {pointer}")
    if not file.is_file() or not zipfile.is_zipfile(file):
        rule = "a file of PyTorch's is the zip that `torch.save` writes since version 1.6"
        raise CheckpointError(f"{file}: {rule}. Found another form, maybe an older one. {_SAFE}")
    try:
        with zipfile.ZipFile(file) as archive:
            content = _content(archive, str(file))
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle or zip raises nearly anything
        raise CheckpointError(f"{file}: cannot be read as a file of PyTorch's: {error}. Use another copy.") from error
    if not isinstance(content, dict):
        rule = "must be a dictionary from names to tensors, such as a model's `state_dict()`."
        raise CheckpointError(f"{file}: {rule} Found {type(content).__name__}. {_SAFE}")
    return _arrays(content)


def _content(archive: zipfile.ZipFile, where: str) -> object:
    pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise ValueError(f"{len(pickles)} members data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    order = _member(archive, f"{folder}byteorder") if f"{folder}byteorder" in archive.namelist() else b"little"
    sign = {b"little": "<", b"big": ">"}[order.strip()]
    known: dict[tuple[str, str], _Storage] = {}

    def storage(member: str, kind: str, count: int) -> _Storage:
        """The elements of a member, read once: tied tensors share them."""
        key = (member, kind)
        if key not in known:
            dtype = np.dtype(f"{sign}u2" if kind == _BFLOAT16 else f"{sign}{kind}")
            data = _member(archive, f"{folder}data/{member}")
            if len(data) != count * dtype.itemsize:
                raise ValueError(f"a storage of {len(data)} bytes for {count} elements of {dtype.itemsize}")
            known[key] = _Storage(np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False), kind)
        return known[key]

    return _Unpickler(_member(archive, pickles[0]), where, storage).load()


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member, which PyTorch never compresses: a small file cannot ask for much memory."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"the compressed member {name:.80}")
    return archive.read(info)


def _arrays(content: Mapping[object, object]) -> dict[str, np.ndarray]:
    found = {str(name): array for name, array in content.items() if isinstance(array, np.ndarray)}
    nested = [inner for name in _NESTED if isinstance(inner := content.get(name), dict)]
    return _arrays(nested[0]) if nested and not found else found


def _whole_numbers(values: object) -> list[int]:
    if not isinstance(values, tuple) or any(
        type(value) is not int or not 0 <= value < _LONGEST_AXIS for value in values
    ):
        raise ValueError(f"a tensor of the shape or strides {values!s:.80}")
    return list(values)
