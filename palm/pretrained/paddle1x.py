"""Reads parameters saved by Paddle 1.x: a folder with one binary file per variable, or a tar of such files."""

import lzma
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from palm.errors import CheckpointError

# VarType.Type of Paddle's framework.proto; bfloat16 has no numpy type and is widened after reading.
_TYPES = {2: "<i4", 3: "<i8", 4: "<f2", 5: "<f4", 6: "<f8"}
_BFLOAT16 = 22
_TYPE_FIELD, _DIMS_FIELD = 1, 2
_VARINT, _LENGTH_DELIMITED = 0, 2
_VARINT_BITS = 70  # ten groups of seven


def read_folder(folder: Path) -> dict[str, np.ndarray]:
    """Every variable below `folder`, named by its path in it.

    Raises:
        CheckpointError: A file is not a Paddle 1.x variable.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): parse_variable(file.read_bytes(), str(file)) for file in files}


def read_archive(file: Path) -> dict[str, np.ndarray]:
    """Every variable of a tar (PALM's `__palmmodel__`); nothing is extracted to disk.

    Raises:
        CheckpointError: A member's path leads outside the archive, or it is not a Paddle 1.x variable.
    """
    try:
        with tarfile.open(file) as archive:
            return dict(_members(archive, file))
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{file}: cannot be read as a tar archive: {error}. Use another copy.") from error


def _members(archive: tarfile.TarFile, file: Path) -> Iterator[tuple[str, np.ndarray]]:
    for member in archive.getmembers():
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name:
            raise CheckpointError(
                f"{file}: member paths must stay inside the archive. Found `{member.name}`. Do not use this file."
            )
        if member.isdir():
            continue
        stream = archive.extractfile(member) if member.isfile() else None
        if stream is None:
            raise CheckpointError(
                f"{file}: members must be regular files. Found `{member.name}`, a link. Do not use this file."
            )
        yield str(path), parse_variable(stream.read(), f"{file}:{member.name}")


def parse_variable(data: bytes, where: str) -> np.ndarray:
    """Parse one saved LoDTensor.

    The layout (`paddle/fluid/framework/lod_tensor.cc`, `tensor_util.cc`): uint32 version, uint64 number of LoD levels,
    each with a uint64 size and its bytes, uint32 tensor version, int32 size of the description, the description (a
    protobuf message with element type and dimensions), the elements.

    Raises:
        CheckpointError: `data` has another layout or length.
    """
    try:
        kind, shape, start = _header(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{where}: is not a variable of Paddle 1.x ({error}). Use the model's params folder."
        ) from error
    dtype = np.dtype("<u2" if kind == _BFLOAT16 else _TYPES[kind])
    count = int(np.prod(shape, dtype=object))
    if len(data) - start != count * dtype.itemsize:
        found = f"Found {len(data) - start} bytes for shape {list(shape)} with {dtype.itemsize} bytes per element."
        raise CheckpointError(
            f"{where}: a file contains one variable. {found} The file is damaged, or contains several."
        )
    try:
        array = np.frombuffer(data, dtype, count, start).reshape(shape)
    except (ValueError, OverflowError) as error:  # such as 0 × 2^70 elements
        raise CheckpointError(
            f"{where}: an array of shape {list(shape)} is not possible. The file is damaged."
        ) from error
    return widen_bfloat16(array) if kind == _BFLOAT16 else array


def widen_bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16 stored as uint16 → float32, whose upper half it is."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _header(data: bytes) -> tuple[int, tuple[int, ...], int]:
    version, levels = struct.unpack_from("<IQ", data, 0)
    offset = 12
    for _ in range(levels):
        (size,) = struct.unpack_from("<Q", data, offset)
        offset += 8 + size
    tensor_version, size = struct.unpack_from("<Ii", data, offset)
    offset += 8
    if version or tensor_version or size < 0 or offset + size > len(data):
        raise ValueError("wrong version or size of the description")
    fields = list(_fields(data[offset : offset + size]))
    kind = next((value for field, value in fields if field == _TYPE_FIELD), -1)
    if kind != _BFLOAT16 and kind not in _TYPES:
        raise ValueError(f"unknown element type {kind}")
    return kind, tuple(value for field, value in fields if field == _DIMS_FIELD), offset + size


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """Number and value of each integer field of a protobuf message, packed or not."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        if key & 7 == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
        elif key & 7 == _LENGTH_DELIMITED:
            size, position = _varint(message, position)
            end = position + size
            while position < end:
                value, position = _varint(message, position)
                yield key >> 3, value
        else:
            raise ValueError("unknown field in the description")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < _VARINT_BITS:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # the highest bit means that more bytes follow
            return value, position
        shift += 7
    raise ValueError("a number of too many bytes in the description")
