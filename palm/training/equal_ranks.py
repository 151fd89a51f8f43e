"""Several ranks train one model: before the first step they make sure that they have the same."""

import hashlib
import json

import numpy as np

from palm.engine.run import TrainingRun
from palm.errors import TrainingError
from palm.schema.fields import Schema

_PATHS = ("_file", "_path", "_dir")


def check_equal(run: TrainingRun) -> None:
    """Compare parameters, data and settings of all ranks.

    Raises:
        TrainingError: They differ, such as by another file of the same name on another machine.
    """
    if run.ranks.count == 1:
        return
    by_rank = run.ranks.gather_values(_described(run))
    for what in by_rank[0]:
        values = [own.get(what) for own in by_rank]
        if any(value != values[0] for value in values):
            other = next(rank for rank, value in enumerate(values) if value != values[0])
            found = f"{what} of rank {other} differ from those of rank 0"
            advice = "Give all machines the same files and the same configuration."
            raise TrainingError(f"All ranks of a run train the same model on the same data. Found: {found}. {advice}")


def _described(run: TrainingRun) -> dict[str, str]:
    """A digest of each thing that has to be equal, by its name in a message."""
    weights = hashlib.sha256()
    for name, tensor in sorted(run.model.state_dict().items()):
        weights.update(name.encode())
        weights.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    tasks = {task.name: _without_paths(task.settings) for task in run.tasks}
    settings = {"run": _without_paths(run.settings), "tasks": tasks, "amp": run.progress.amp}
    return {
        "the initial weights": weights.hexdigest(),
        "the training data": _digest(run.data),
        "the settings, or what their processors compute in,": _digest(settings),
    }


def _without_paths(settings: Schema) -> dict[str, object]:
    """The keys; files may have other places on each machine, and their content is compared."""
    return {name: value for name, value in settings.model_dump(mode="json").items() if not name.endswith(_PATHS)}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
