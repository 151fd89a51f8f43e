"""Named tensors to and from safetensors files, which cannot execute code."""

import math
from collections.abc import Mapping
from pathlib import Path

import paddle
from paddle import Tensor

from palm.errors import CheckpointError
from palm.storage.arrays import load_arrays, save_arrays


def first_non_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds a NaN or an Inf."""
    with paddle.no_grad():
        return next((name for name, tensor in tensors.items() if not _is_finite(tensor)), None)


def _is_finite(tensor: Tensor) -> bool:
    # A sum is four times as fast as testing every element; it is finite only if all are (but may overflow).
    return math.isfinite(float(tensor.sum())) or bool(paddle.isfinite(tensor).all())


def save_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write `tensors` under their names.

    Raises:
        CheckpointError: A tensor holds a NaN or an Inf.
        OSError: The disk is full or the like, for which safetensors raises an error of its own.
    """
    name = first_non_finite(tensors)
    if name is not None:
        advice = "Continue from the newest checkpoint (`--resume`) with a lower learning_rate."
        raise CheckpointError(f"{file}: only finite numbers are saved. Found NaN or Inf in `{name}`. {advice}")
    save_arrays({name: tensor.numpy() for name, tensor in tensors.items()}, file)


def size_in_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Size of the values of `tensors` on disk."""
    return sum(tensor.size * tensor.element_size() for tensor in tensors.values())


def load_tensors(file: Path) -> dict[str, Tensor]:
    """Read a file of `save_tensors`, of this or an earlier format version, under the current names.

    Raises:
        CheckpointError: The file is missing or not a safetensors file.
    """
    return {name: paddle.to_tensor(array) for name, array in load_arrays(file).items()}
