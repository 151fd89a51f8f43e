"""What a trainer saves while it trains, and where its checkpoints are found again."""

import re
from dataclasses import dataclass
from pathlib import Path

from palm.engine.checkpoint import newest_checkpoint
from palm.errors import CheckpointError, ConfigError, Problem
from palm.storage.layout import CHECKPOINT_FOLDER, MANIFEST_FILE, PREDICT_FOLDER

SAVE_TYPES = ("ckpt", "predict")
_OLD_NAME = re.compile(r"ckpt\.step(\d+)")
_OLD_MODEL = re.compile(r"pred\.step(\d+)")


@dataclass(frozen=True)
class Saver:
    """What `set_saver` was given.

    Attributes:
        folder: Everything goes below it.
        every: Steps between two savings.
        types: `ckpt`, `predict`, or both.
    """

    folder: Path
    every: int
    types: tuple[str, ...]

    @property
    def saves_checkpoints(self) -> bool:
        """Whether checkpoints are saved."""
        return "ckpt" in self.types

    @property
    def saves_models(self) -> bool:
        """Whether inference models are saved."""
        return "predict" in self.types

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go."""
        return self.folder / CHECKPOINT_FOLDER

    def models(self, step: int) -> Path:
        """Where the inference models of global step `step` go, one folder per task."""
        return self.folder / PREDICT_FOLDER / f"step_{step}"

    def is_due(self, step: int, *, last: bool) -> bool:
        """Whether something is saved after global step `step`."""
        return last or (self.every > 0 and step % self.every == 0)


def new_saver(save_path: str | Path, save_steps: int, save_type: str) -> Saver:
    """A saver from the arguments of `set_saver`.

    Raises:
        ConfigError: An unknown type.
    """
    types = tuple(word.strip() for word in save_type.split(","))
    unknown = [word for word in types if word not in SAVE_TYPES]
    if unknown:
        rule = "save_type is `ckpt`, `predict`, or both with a comma between."
        raise ConfigError(Problem("set_saver", f"{rule} Found `{unknown[0]}`."))
    return Saver(Path(save_path), save_steps, types)


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that `path` stands for: itself, the newest whole one below it, or PALM 2's `ckpt.step<N>`.

    Raises:
        CheckpointError: There is none.
    """
    old = _OLD_NAME.fullmatch(path.name)
    if old and not path.exists():
        path = path.parent / CHECKPOINT_FOLDER / f"step_{old[1]}"
    if (path / MANIFEST_FILE).is_file() or path.name.startswith("step_"):
        return path
    for home in (path, path / CHECKPOINT_FOLDER):
        newest, _ = newest_checkpoint(home)
        if newest is not None:
            return newest
    raise CheckpointError(f"{path}: no checkpoint here. Give the folder that set_saver was given, or a step_N in it.")


def find_models(path: Path) -> Path:
    """The folder of inference models that `path` stands for: itself, or where PALM 2's `pred.step<N>` is today."""
    old = _OLD_MODEL.fullmatch(path.name)
    return path.parent / PREDICT_FOLDER / f"step_{old[1]}" if old and not path.exists() else path
