"""Reads PyTorch's files of weights, which are pickles, without PyTorch and without executing code from them.

The pickle describes each tensor by a storage, an offset, a shape and strides. A storage is a member of a zip; before
PyTorch 1.6 the file was no zip, and the storages followed the pickle. Source: `torch/serialization.py` (`_save`,
`_legacy_save`), `torch/_utils.py`. As for `.pdparams`, every global but those of plain tensors is refused.
"""

import math
import mmap
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
_OLD_MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")  # 0x1950a86a20f9469cfc6c, as a pickle writes it
_OLD_START = 16
_OLD_VERSION = 1001
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


class _NoTensor:
    """Stands for `_rebuild_tensor_v2` while storages are not known."""

    __slots__ = ()

    def __call__(self, *how: object) -> None:
        return None


class _Parameter:
    """Stands for `_rebuild_parameter`: the tensor itself."""

    __slots__ = ()

    def __call__(self, data: object, requires_grad: object, hooks: object) -> object:
        return data


_TENSOR = "torch._utils._rebuild_tensor_v2"
_ALLOWED: Mapping[str, object] = {
    "collections.OrderedDict": Dictionary(),
    _TENSOR: _Tensor(),
    "torch._utils._rebuild_parameter": _Parameter(),
    **{f"torch.{name}": _StorageType(kind) for name, kind in _STORAGES.items()},
}


class _Unpickler(GuardedUnpickler):
    """Reads a pickle, and the storages that it names with `storage`."""

    dispatch: ClassVar[dict[int, Any]] = {**GuardedUnpickler.dispatch}

    def __init__(
        self,
        data: bytes | mmap.mmap,
        where: str,
        storage: Callable[[str, str, int], _Storage],
        allowed: Mapping[str, object] = _ALLOWED,
    ) -> None:
        super().__init__(data, where, allowed)
        self._storage = storage

    def persistent_load(self, pid: object) -> _Storage:
        """The storage `("storage", class, member, device, number of elements)`; older files add a None."""
        if not isinstance(pid, tuple) or pid[:1] != ("storage",) or len(pid) < 5 or pid[5:] not in ((), (None,)):
            raise ValueError("a reference to something else than a storage")
        _, kind, member, _, count = pid[:5]
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
        CheckpointError: The file names anything but tensors, is damaged, or was not written by PyTorch.
    """
    pointer = pointer_problem(file)
    if pointer is not None:
        raise CheckpointError(f"{file}: {pointer}")
    if not file.is_file() or not (zipfile.is_zipfile(file) or _is_old(file)):
        raise CheckpointError(f"{file}: a file that `torch.save` wrote is expected. Found another form. {_SAFE}")
    try:
        content = _content_of(file)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle or zip raises nearly anything
        raise CheckpointError(f"{file}: cannot be read as a file of PyTorch's: {error}. Use another copy.") from error
    if not isinstance(content, dict):
        rule = "must be a dictionary from names to tensors, such as a model's `state_dict()`."
        raise CheckpointError(f"{file}: {rule} Found {type(content).__name__}. {_SAFE}")
    return _arrays(content)


def _content_of(file: Path) -> object:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return _content(archive, str(file))
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _old_content(data, str(file))


def _is_old(file: Path) -> bool:
    """Whether the file starts as those before PyTorch 1.6 do."""
    with file.open("rb") as stream:
        start = stream.read(_OLD_START)
    return start.startswith(b"\x80") and _OLD_MAGIC in start


def _old_content(data: mmap.mmap, where: str) -> object:
    """The content of a file before PyTorch 1.6.

    It has pickles of what it is, of the content and of its storages' keys; then each storage behind the number of its
    elements.
    """
    _, version, system = (_Unpickler(data, where, _no_storage).load() for _ in range(3))
    if version != _OLD_VERSION or type(system) is not dict or type(system.get("little_endian")) is not bool:
        raise ValueError("a version of the format that is not known")
    order = "<" if system["little_endian"] else ">"
    kinds: dict[str, str] = {}

    def noted(member: str, kind: str, count: int) -> _Storage:
        """A storage whose elements are not known yet."""
        if kinds.setdefault(member, kind) != kind:
            raise ValueError(f"the storage {member:.80} of two types")
        return _Storage(np.empty(0), kind)

    place = data.tell()
    _Unpickler(data, where, noted, {**_ALLOWED, _TENSOR: _NoTensor()}).load()
    keys = _Unpickler(data, where, _no_storage).load()
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(kinds):
        raise ValueError("other storages than those that its tensors name")
    read = {key: _old_storage(data, order, kinds[key]) for key in keys}
    data.seek(place)
    return _Unpickler(data, where, lambda member, kind, count: _sized(read[member], count)).load()


def _old_storage(data: mmap.mmap, order: str, kind: str) -> _Storage:
    """The storage at which `data` stands."""
    (count,) = np.frombuffer(data.read(8), f"{order}i8")
    dtype = _element_type(order, kind)
    content = data.read(max(int(count), 0) * dtype.itemsize)
    if count < 0 or len(content) != count * dtype.itemsize:
        raise ValueError(f"a storage of {len(content)} bytes for {count} elements of {dtype.itemsize}")
    return _Storage(np.frombuffer(content, dtype).astype(dtype.newbyteorder("="), copy=False), kind)


def _sized(storage: _Storage, count: int) -> _Storage:
    if len(storage.elements) != count:
        raise ValueError(f"a storage of {len(storage.elements)} elements that must have {count}")
    return storage


def _no_storage(member: str, kind: str, count: int) -> _Storage:
    raise ValueError(f"the storage {member:.80} where none belongs")


def _element_type(order: str, kind: str) -> np.dtype:
    return np.dtype(f"{order}u2" if kind == _BFLOAT16 else f"{order}{kind}")


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
            dtype = _element_type(sign, kind)
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
