"""Named arrays to and from safetensors files of PALM, without Paddle."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from palm.errors import CheckpointError

_SYSTEM_ERROR = re.compile(r"os error (\d+)")


def load_arrays(file: Path) -> dict[str, np.ndarray]:
    """Read a file of weights, of this or an earlier format version, under the current names.

    Raises:
        CheckpointError: The file is missing or not a safetensors file.
    """
    try:
        return {_current_name(name): array for name, array in load_file(str(file)).items()}
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file}: cannot be read as safetensors: {error}. Use another copy.") from error


def save_arrays(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Write arrays under their names.

    Raises:
        OSError: The disk is full or the like, for which safetensors raises an error of its own.
    """
    try:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(file))
    except SafetensorError as error:
        number = _SYSTEM_ERROR.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(file)) from error


def _current_name(name: str) -> str:
    """The name since format version 3 of a parameter that may be from an earlier version."""
    return name.replace(".private_parts.", ".task_adapters.", 1)
