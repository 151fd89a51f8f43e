"""Finds the weights below a path, and their format."""

import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from palm.errors import CheckpointError
from palm.pretrained.safetensors_files import check_shards
from palm.schema.places import pointer_problem

Format = Literal["safetensors", "shards", "pdparams", "paddle1x", "paddle1x archive", "torch", "torch shards"]

_INDEX = "model.safetensors.index.json"
_TORCH = "pytorch_model.bin"
_TORCH_INDEX = f"{_TORCH}.index.json"
_PALM_ARCHIVE = "__palmmodel__"
_PALM_1X_FOLDER = "params"
_PADDLE_1X_NAME = re.compile(r"(__paddlepalm_)?(word_embedding|encoder_layer_\d+_.+)")
_OF_TRAINING = re.compile(r"training_args|optimizer|scheduler|scaler|rng_state")
_TORCH_ENDINGS = (".bin", ".pt", ".pth", ".ckpt")
_LOOKED_FOR = (
    "model.safetensors, model.safetensors.index.json, one other *.safetensors, model_state.pdparams, one other "
    "*.pdparams, __palmmodel__, params/, Paddle 1.x variables, pytorch_model.bin, pytorch_model.bin.index.json, or one "
    "other *.bin, *.pt or *.pth"
)


@dataclass(frozen=True)
class WeightsFile:
    """Location and format of weights.

    Attributes:
        format: Their format.
        path: The file, or the folder of Paddle 1.x variables.
    """

    format: Format
    path: Path


def find_weights(path: Path) -> WeightsFile:
    """Find the weights in `path`, a file or a folder.

    Raises:
        CheckpointError: There are none.
    """
    if not path.exists():
        raise CheckpointError(
            f"{path}: no pre-trained weights here. Correct the path, or download a model with `palm download`."
        )
    found = _in_folder(path) if path.is_dir() else _format_of(path)
    if found is not None:
        return found
    if path.is_dir():
        raise CheckpointError(f"{path}: no weights in this folder. Looked for {_LOOKED_FOR}.")
    raise CheckpointError(
        f"{path}: unknown format. Supported: .safetensors, .pdparams, .bin and .pt of PyTorch, and Paddle 1.x folders "
        "or archives."
    )


def look_at_weights(path: Path) -> None:
    """Find the weights in `path` and see that they are all there, without reading them.

    Raises:
        CheckpointError: As `find_weights`; or the pointer of Git LFS to them, or an index of shards of which some, or
            some tensors, are missing.
    """
    found = find_weights(path)
    pointer = pointer_problem(found.path)
    if pointer is not None:
        raise CheckpointError(f"{found.path}: {pointer}")
    if found.format in ("shards", "torch shards"):
        check_shards(found.path)


def _format_of(file: Path) -> WeightsFile | None:
    if file.name.endswith(".safetensors"):
        return WeightsFile("safetensors", file)
    if file.name.endswith(".safetensors.index.json"):
        return WeightsFile("shards", file)
    if file.suffix == ".pdparams":
        return WeightsFile("pdparams", file)
    if file.name.endswith(".bin.index.json"):
        return WeightsFile("torch shards", file)
    if file.suffix in _TORCH_ENDINGS:
        return WeightsFile("torch", file)
    if tarfile.is_tarfile(file):
        return WeightsFile("paddle1x archive", file)
    return None


def _in_folder(folder: Path) -> WeightsFile | None:
    searches: tuple[Callable[[Path], Path | None], ...] = (
        lambda place: _file(place / "model.safetensors"),
        lambda place: _file(place / _INDEX),
        lambda place: _only(place, "*.safetensors"),
        lambda place: _file(place / "model_state.pdparams"),
        lambda place: _only(place, "*.pdparams"),
        lambda place: _file(place / _PALM_ARCHIVE),
    )
    for search in searches:
        file = search(folder)
        if file is not None:
            return _format_of(file)
    for place in (folder, folder / _PALM_1X_FOLDER):
        if place.is_dir() and any(_PADDLE_1X_NAME.fullmatch(file.name) for file in place.iterdir()):
            return WeightsFile("paddle1x", place)
    return _torch_in_folder(folder)


def _torch_in_folder(folder: Path) -> WeightsFile | None:
    """PyTorch's weights, which are the last choice; other files of a training are none."""
    for name in (_TORCH, _TORCH_INDEX):
        if (folder / name).is_file():
            return _format_of(folder / name)
    found = [file for ending in _TORCH_ENDINGS for file in folder.glob(f"*{ending}")]
    files = [file for file in found if not _OF_TRAINING.match(file.name)]
    return _format_of(files[0]) if len(files) == 1 else None


def _file(file: Path) -> Path | None:
    return file if file.is_file() else None


def _only(folder: Path, pattern: str) -> Path | None:
    files = list(folder.glob(pattern))
    return files[0] if len(files) == 1 else None
