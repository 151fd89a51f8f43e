"""Checkpoints: everything a run needs to continue to the same bits, in folders that are whole or not there."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from paddle import Tensor

from palm.default_settings import WEIGHTS_FILE
from palm.engine.tensors import load_tensors, save_tensors
from palm.engine.train import Progress, TrainingRun
from palm.errors import CheckpointError
from palm.folders import sealed_folder, verify

_OPTIMIZER_FILE = "optimizer.safetensors"
_AVERAGE_FILE = "average.safetensors"
_GRADIENTS_FILE = "gradients.safetensors"
_PROGRESS_FILE = "progress.json"


def save_checkpoint(run: TrainingRun, folder: Path, *, keep: int) -> Path:
    """Write `folder/step_N`; once it is whole, remove the oldest so that `keep` remain."""
    target = folder / f"step_{run.progress.global_step}"
    with sealed_folder(target) as aside:
        save_tensors(run.model.state_dict(), aside / WEIGHTS_FILE)
        save_tensors(run.optimizer.state(), aside / _OPTIMIZER_FILE)
        save_tensors(run.optimizer.gradients(), aside / _GRADIENTS_FILE)
        updates = 0
        if run.average is not None:
            save_tensors(run.average.state(), aside / _AVERAGE_FILE)
            updates = run.average.updates
        progress = {**asdict(run.progress), "average_updates": updates}
        (aside / _PROGRESS_FILE).write_text(json.dumps(progress, indent=1) + "\n", encoding="utf-8")
    for old in _by_step(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that verifies, and why newer ones were passed over."""
    complaints = []
    for candidate in reversed(_by_step(folder)):
        try:
            verify(candidate)
        except CheckpointError as error:
            complaints.append(str(error))
        else:
            return candidate, complaints
    return None, complaints


def restore_checkpoint(run: TrainingRun, folder: Path) -> None:
    """Put weights, slots, averages, pending gradients and counters of a verified checkpoint into `run`.

    Raises:
        CheckpointError: The checkpoint is of another model or other tasks.
    """
    progress = json.loads((folder / _PROGRESS_FILE).read_text(encoding="utf-8"))
    updates = progress.pop("average_updates")
    saved = Progress(**progress)
    names = {task.name for task in run.tasks}
    if set(saved.task_steps) != names:
        raise CheckpointError(
            f"{folder}: belongs to a run with tasks {sorted(saved.task_steps)}; this run has {sorted(names)}. "
            "Resume with the configuration it was started with, or use another save_path."
        )
    set_weights(run.model.state_dict(), load_tensors(folder / WEIGHTS_FILE), where=str(folder))
    run.optimizer.restore(load_tensors(folder / _OPTIMIZER_FILE))
    run.optimizer.restore_gradients(load_tensors(folder / _GRADIENTS_FILE))
    if run.average is not None:
        run.average.restore(load_tensors(folder / _AVERAGE_FILE), updates=updates)
    run.progress.global_step = saved.global_step
    run.progress.task_steps.update(saved.task_steps)


def set_weights(parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `weights` into `parameters`; both must have the same names and shapes.

    Raises:
        CheckpointError: Naming what differs.
    """
    different = sorted(set(parameters) ^ set(weights)) or [
        f"{name} {weights[name].shape} instead of {parameter.shape}"
        for name, parameter in parameters.items()
        if weights[name].shape != parameter.shape
    ]
    if different:
        listed = ", ".join(different[:5]) + (" …" if len(different) > 5 else "")
        raise CheckpointError(f"{where}: the weights do not fit the configured model. Different: {listed}.")
    for name, parameter in parameters.items():
        parameter.set_value(weights[name])


def _by_step(folder: Path) -> list[Path]:
    numbered = [(path.name.removeprefix("step_"), path) for path in folder.glob("step_*") if path.is_dir()]
    return [path for number, path in sorted(((int(text), path) for text, path in numbered if text.isdigit()))]
