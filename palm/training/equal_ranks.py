"""What several ranks agree on around a run: that they train the same, who else may write there, and when they stop."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import Signals

import numpy as np

from palm.config.run_config import RunConfig
from palm.distributed.ranks import Ranks, current_ranks
from palm.engine.run import TrainingRun
from palm.engine.run_data import describe_evaluated
from palm.errors import CheckpointError, TrainingError
from palm.kernels.fused.library import loaded_sources
from palm.schema.fields import Schema
from palm.storage.atomic_directory import sha256_of
from palm.storage.layout import MANIFEST_FILE, PALM_VERSION
from palm.storage.run_lock import exclusive_run_lock

_PATHS = ("_file", "_path", "_dir")


def check_equal(run: TrainingRun) -> None:
    """Compare parameters, data and settings of all ranks.

    Raises:
        TrainingError: They differ, such as by another file of the same name on another machine.
    """
    if run.ranks.count == 1:
        return
    _refuse_differences(run.ranks.gather_values(_described(run)))


def check_same_keys(configs: Sequence[RunConfig]) -> None:
    """Compare the configurations of all ranks, before anything is read by them.

    Args:
        configs: That of each stage.

    Raises:
        TrainingError: They differ, such as by an option of the command on one machine.
    """
    ranks = current_ranks()
    if ranks.count > 1:
        own = {
            "the versions of PALM": PALM_VERSION,
            "the values of resume (--resume)": str(configs[-1].train.resume),
            "the keys": _digest([_without_path_keys(config.resolved) for config in configs]),
        }
        _refuse_differences(ranks.gather_values(own))


def check_same_checkpoint(ranks: Ranks, checkpoint: Path) -> None:
    """Refuse a checkpoint that is not the same for all ranks: where machines do not share `save_path`.

    Raises:
        CheckpointError: A rank has another one of this name, or none.
    """
    manifest = checkpoint / MANIFEST_FILE  # it holds the sha256 of every file
    own = sha256_of(manifest) if manifest.is_file() else None
    if len(set(ranks.gather_values(own))) > 1:
        rule = "all machines of a run see the same save_path, on a file system that they share"
        advice = "Mount it on each of them, or copy the folder"
        raise CheckpointError(f"{checkpoint}: {rule}. Found another checkpoint, or none, on one of them. {advice}.")


def _refuse_differences(by_rank: Sequence[Mapping[str, str]]) -> None:
    for what in by_rank[0]:
        values = [own.get(what) for own in by_rank]
        if any(value != values[0] for value in values):
            other = next(rank for rank, value in enumerate(values) if value != values[0])
            found = f"{what} of rank {other} differ from those of rank 0"
            advice = "Give all machines the same files and the same configuration."
            raise TrainingError(f"All ranks of a run train the same model on the same data. Found: {found}. {advice}")


@contextmanager
def run_folder_locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder`: the first rank does it for all of this run.

    Raises:
        CheckpointError: Another run trains there, or the folder is read-only.
        LostRanksError: The same on the other ranks.
    """
    with ExitStack() as stack:
        current_ranks().on_first(lambda: stack.enter_context(exclusive_run_lock(folder)))
        yield


def agreed_signal(ranks: Ranks, received: Signals | None) -> Signals | None:
    """The signal after which all ranks stop, since one of them has received it; every rank asks at the same point."""
    numbers = [int(number) for number in ranks.gather_values(int(received or 0))]
    return Signals(max(numbers)) if any(numbers) else None


def _described(run: TrainingRun) -> dict[str, str]:
    """A digest of each thing that has to be equal, by its name in a message."""
    weights = hashlib.sha256()
    for name, tensor in sorted(run.model.state_dict().items()):
        weights.update(name.encode())
        weights.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    tasks = {task.name: _without_paths(task.settings) for task in run.tasks}
    settings = {"run": _without_paths(run.settings), "tasks": tasks, "amp": run.progress.amp}
    settings |= {"processes": run.progress.processes}
    return {
        "the kernels in C (`palm doctor`)": loaded_sources(),
        "the initial weights": weights.hexdigest(),
        "the training data": _digest(run.data),
        "the dev data": _digest({task.name: describe_evaluated(task) for task in run.tasks}),
        "the settings, or what their processors compute in,": _digest(settings),
    }


def _without_paths(settings: Schema) -> dict[str, object]:
    """The keys; files may have other places on each machine, and their content is compared."""
    return {name: value for name, value in settings.model_dump(mode="json").items() if not name.endswith(_PATHS)}


def _without_path_keys(value: object) -> object:
    """Nested keys, without those that name files."""
    if isinstance(value, Mapping):
        return {key: _without_path_keys(own) for key, own in value.items() if not str(key).endswith(_PATHS)}
    return value


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
