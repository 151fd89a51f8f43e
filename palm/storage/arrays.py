"""Named arrays from safetensors files of PALM, without Paddle."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from palm.errors import CheckpointError


def load_arrays(file: Path) -> dict[str, np.ndarray]:
    """Read a file of weights, of this or an earlier format version, under the current names.

    Raises:
        CheckpointError: The file is missing or not a safetensors file.
    """
    try:
        return {_current_name(name): array for name, array in load_file(str(file)).items()}
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file}: cannot be read as safetensors: {error}. Use another copy.") from error


def _current_name(name: str) -> str:
    """The name since format version 3 of a parameter that may be from an earlier version."""
    return name.replace(".private_parts.", ".task_adapters.", 1)
