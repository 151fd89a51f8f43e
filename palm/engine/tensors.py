"""Named tensors to and from safetensors files, which cannot execute code."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import paddle
from paddle import Tensor
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from palm.errors import CheckpointError


def save_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write `tensors` under their names."""
    save_file({name: np.ascontiguousarray(tensor.numpy()) for name, tensor in tensors.items()}, str(file))


def load_tensors(file: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote.

    Raises:
        CheckpointError: The file is missing or no safetensors file.
    """
    try:
        return {name: paddle.to_tensor(array) for name, array in load_file(str(file)).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: cannot be read as safetensors: {error}. Use another copy.") from error
