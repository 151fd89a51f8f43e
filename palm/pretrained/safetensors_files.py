"""Reads safetensors: one file, or the shards in an index."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import load_file

from palm.errors import CheckpointError
from palm.pretrained.paddle1x import widen_bfloat16
from palm.schema.places import pointer_problem


def read_safetensors(file: Path) -> dict[str, np.ndarray]:
    """The tensors of one file.

    Raises:
        CheckpointError: The file is damaged.
    """
    with _readable(file):
        with safe_open(str(file), framework="numpy") as tensors:
            kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118 (not a mapping)
        return _widened(file) if "BF16" in kinds else load_file(str(file))


def read_shards(index: Path, read: Callable[[Path], dict[str, np.ndarray]] = read_safetensors) -> dict[str, np.ndarray]:
    """The tensors of all shards in `index` (`model.safetensors.index.json`).

    Args:
        index: The index.
        read: Reads a shard.

    Raises:
        CheckpointError: The index is damaged, or names a missing file, one outside its folder, or a tensor that its
            shard does not have.
    """
    places = check_shards(index)
    found = {shard: read(index.parent / shard) for shard in sorted(set(places.values()))}
    for shard, tensors in found.items():
        _check_shard(index, shard, places, set(tensors))
    return {name: array for tensors in found.values() for name, array in tensors.items()}


def check_shards(index: Path) -> Mapping[str, str]:
    """The shard of each tensor in `index`, after a look at the headers of shards that have one.

    Raises:
        CheckpointError: As `read_shards`.
    """
    places = _weight_map(index)
    for shard in sorted(set(places.values())):
        if shard != Path(shard).name:
            rule = "shards must be in the folder of their index."
            raise CheckpointError(f"{index}: {rule} Found `{shard}`. Do not use this file.")
        file = index.parent / shard
        if not file.is_file():
            held = next(name for name, place in places.items() if place == shard)
            rule = f"every shard that the index names must be there. Found no `{shard}`"
            raise CheckpointError(f"{index}: {rule}, which holds `{held}`. Download it again.")
        if file.suffix == ".safetensors":
            _check_shard(index, shard, places, tensor_names(file))
    return places


def _check_shard(index: Path, shard: str, places: Mapping[str, str], names: set[str]) -> None:
    missing = sorted(name for name, place in places.items() if place == shard and name not in names)
    if missing:
        rule = f"every tensor that the index names must be in its shard. Found no `{missing[0]}` in `{shard}`"
        raise CheckpointError(f"{index}: {rule} ({len(missing)} missing). Download it again.")


def tensor_names(file: Path) -> set[str]:
    """The names in the header of a file.

    Raises:
        CheckpointError: The file is damaged.
    """
    with _readable(file), safe_open(str(file), framework="numpy") as tensors:
        return set(tensors.keys())


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Refuse what safetensors cannot read.

    Raises:
        CheckpointError: The file is damaged, or the pointer of Git LFS to it.
    """
    pointer = pointer_problem(file)
    if pointer is not None:
        raise CheckpointError(f"{file}: {pointer}")
    try:
        yield
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        # numpy lacks some element types of safetensors, such as 8-bit floats
        raise CheckpointError(f"{file}: cannot be read as safetensors: {error}. Use another copy.") from error


def shard_of(index: Path, name: str) -> str:
    """The file that holds the tensor `name`, as the index says; the index itself where it does not know the tensor.

    Raises:
        CheckpointError: The index is damaged.
    """
    return _weight_map(index).get(name, index.name)


def _weight_map(index: Path) -> dict[str, str]:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {name: str(place) for name, place in places.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        found = f"{error!r:.200}"
        raise CheckpointError(f"{index}: cannot be read as an index of shards: {found}. Use another copy.") from error


def _widened(file: Path) -> dict[str, np.ndarray]:
    """The tensors of a file with bfloat16, which numpy does not have, so that its bits are widened."""
    arrays = {}
    for name, tensor in deserialize(file.read_bytes()):  # type: ignore[no-untyped-call]
        bits, kind = tensor["data"], tensor["dtype"]
        dtype = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32, "F64": np.float64, "I64": np.int64}.get(kind)
        if dtype is not None:
            array = np.frombuffer(bits, dtype).reshape(tensor["shape"])
            arrays[name] = widen_bfloat16(array) if kind == "BF16" else array
    return arrays
