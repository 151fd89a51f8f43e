"""Checkpoints: the complete state of a run for exact resume, in folders that are complete or absent."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor
from pydantic import TypeAdapter

from palm.balancing.history import history_from_saved
from palm.engine.early_stopping import EarlyStops
from palm.engine.loss_scale import LossScale
from palm.engine.optim import OPTIMIZERS
from palm.engine.optim.gradient_sums import summed
from palm.engine.run import Progress, TrainingRun
from palm.engine.run_data import DATA_FILE, check_data
from palm.engine.selection import BestSoFar
from palm.engine.task_gradients import PREFIX
from palm.errors import CheckpointError
from palm.kernels.precision import Computed, continued_precision, evaluated_precision
from palm.schema.settings import TrainSettings
from palm.storage.atomic_directory import atomic_directory, remove_folder, remove_stale, verify
from palm.storage.layout import WEIGHTS_FILE
from palm.storage.tensors import load_tensors, save_tensors, size_in_bytes

_OPTIMIZER_FILE = "optimizer.safetensors"
_AVERAGE_FILE = "average.safetensors"
_GRADIENTS_FILE = "gradients.safetensors"
_PROGRESS_FILE = "progress.json"
_READERS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "best": BestSoFar.from_saved,
    "history": history_from_saved,
    "loss_scale": lambda saved: LossScale(**saved),
    "stops": EarlyStops.from_saved,
}
_RENAMED = {"passed_over": "skipped_draws", "shares": "sampling_probabilities"}
"""Counter in format version 2 and earlier → counter since version 3."""
_FROZEN = "frozen_encoder"
_PROGRESS = TypeAdapter(Progress)
_MOST_STEPS = 2**53
_NAME = re.compile(r"step_(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class _SavedState:
    """The description of a checkpoint's tensors.

    Attributes:
        kind: The average of the weights: `off`, `ema` or `swa`.
        updates: Number of averaged updates.
        optimizer: The key `optimizer`.
        amp: What the run computed in; None in checkpoints that do not tell.
        frozen_encoder: See `MultiTaskModel`.
    """

    kind: str
    updates: int
    optimizer: str
    amp: Computed | None
    frozen_encoder: str | None


def save_checkpoint(run: TrainingRun, folder: Path, *, keep: int) -> Path:
    """Write `folder/step_N`; once complete, remove the oldest ones except the newest `keep` and the best.

    Raises:
        CheckpointError: The folder cannot be written, or a number is not finite. Earlier checkpoints are kept.
    """
    target = folder / f"step_{run.progress.global_step}"
    gradients = _pending_gradients(run)
    run.ranks.on_first(lambda: _write_checkpoint(run, target, gradients, keep=keep))
    if run.ranks.count > 1 and gradients:
        _restore_gradients(run, gradients)  # so that this run, and one that is resumed, go on with the same sums
    return target


def save_without_others(run: TrainingRun, folder: Path, *, keep: int) -> Path | None:
    """Save the state after the last finished step from within the next one, where the other ranks cannot be asked.

    Only where no batch waits for an update: gradients that this step has computed so far are left out.

    Args:
        run: The run.
        folder: Folder of its checkpoints.
        keep: As in `save_checkpoint`.

    Returns:
        The checkpoint; None before the first step has ended.
    """
    target = folder / f"step_{run.progress.global_step}"
    if run.progress.global_step and not target.exists():
        _write_checkpoint(run, target, {}, keep=keep)
    return target if run.progress.global_step else None


def _pending_gradients(run: TrainingRun) -> dict[str, Tensor]:
    """Those of batches since the last update, summed over all ranks."""
    names = run.optimizer.gradients()
    found = dict(zip(names, summed(list(names.values()), run.ranks), strict=True))
    if run.task_gradients is None:
        return found
    own = run.task_gradients.copied()
    run.task_gradients.sum_over(run.ranks)
    found |= run.task_gradients.state()
    run.task_gradients.reset(own)
    return found


def _write_checkpoint(run: TrainingRun, target: Path, gradients: Mapping[str, Tensor], *, keep: int) -> None:
    folder = target.parent
    files = {
        WEIGHTS_FILE: run.model.state_dict(),
        _OPTIMIZER_FILE: run.optimizer.state(),
        _GRADIENTS_FILE: gradients,
        **({_AVERAGE_FILE: run.average.state()} if run.average else {}),
    }
    with atomic_directory(target, needs=sum(map(size_in_bytes, files.values()))) as aside:
        for name, tensors in files.items():
            save_tensors(tensors, aside / name)
        progress = {**asdict(run.progress), **_describe_average(run), "optimizer": run.settings.optimizer}
        run.tasks[0].reader.tokenizer.save(aside)
        progress |= {"encoder": run.model.encoder} if run.model.encoder else {}
        progress |= {_FROZEN: run.model.frozen_encoder} if run.model.frozen_encoder else {}
        (aside / DATA_FILE).write_text(json.dumps(run.data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (aside / _PROGRESS_FILE).write_text(json.dumps(progress, indent=1) + "\n", encoding="utf-8")
    remove_stale(folder)
    for old in checkpoints(folder)[:-keep]:
        if _step_of(old) not in run.progress.best.steps:
            with suppress(OSError):
                remove_folder(old)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, damaged or not, in the order of their steps."""
    return sorted((path for path in folder.glob("step_*") if _NAME.fullmatch(path.name)), key=_step_of)


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest valid checkpoint, and the reasons why newer ones are not valid."""
    complaints = []
    for candidate in reversed(checkpoints(folder)):
        try:
            verify(candidate)
            _check_step(candidate)
        except CheckpointError as error:
            complaints.append(str(error))
        else:
            return candidate, complaints
    return None, complaints


def processes_of(folder: Path) -> int:
    """The number of processes that the batches of a checkpoint's run are for.

    Raises:
        CheckpointError: It does not hold the progress of a run.
    """
    return _read_progress(folder)[0].processes


def rename_damaged(folder: Path, newest: Path | None) -> None:
    """Rename checkpoints after `newest`, the newest valid one, so that they do not count as checkpoints to keep."""
    for path in checkpoints(folder):
        if newest is None or _step_of(path) > _step_of(newest):
            free = (path.with_name(f"{path.name}.damaged{number or ''}") for number in range(1000))
            path.rename(next(place for place in free if not place.exists()))


def restore_checkpoint(run: TrainingRun, folder: Path) -> list[str]:
    """Put weights, optimizer state, averages, pending gradients and counters of a verified checkpoint into `run`.

    Returns:
        Lines for the user, about data that differ, and a precision that this machine would not choose.

    Raises:
        CheckpointError: The checkpoint is of another model, other tasks or other data.
    """
    saved, average = _read_progress(folder)
    names = {task.name for task in run.tasks}
    if set(saved.task_steps) != names:
        raise CheckpointError(
            f"{folder}: is of a run with tasks {sorted(saved.task_steps)}; this run has {sorted(names)}. "
            "Resume with the configuration it was started with, or use another save_path."
        )
    _refuse_another_encoder(folder, average.frozen_encoder, run.model.frozen_encoder)
    if saved.processes != run.progress.processes:
        found = (
            f"The run was started with {saved.processes}, and its batches are planned for {run.progress.processes} now"
        )
        rule = "a resumed run goes on with batches of the same examples, so it keeps their number of processes"
        raise CheckpointError(f"{folder}: {rule}. {found}. Start it with as many.")
    lines = check_data(folder, run.tasks, allow_changed=run.settings.allow_changed_data)
    # Before `auto` was a value, its place in a configuration meant `off`.
    recorded = average.amp or ("off" if run.settings.amp == "auto" else run.precision.computed)
    saved.amp, about_precision = continued_precision(run.settings.amp, run.precision, recorded)
    _restore_weights(run, folder, average)
    _restore_gradients(run, load_tensors(folder / _GRADIENTS_FILE))
    for part in fields(Progress):
        own, value = getattr(run.progress, part.name), getattr(saved, part.name)
        if isinstance(own, dict):
            own.clear()
            own.update(value)
        else:
            setattr(run.progress, part.name, value)
    run.model.amp = evaluated_precision(run.progress.amp)
    return [*lines, *about_precision]


def _refuse_another_encoder(folder: Path, saved: str | None, now: str | None) -> None:
    """A run on the frozen encoder of a model goes on with the same model."""
    if saved == now:
        return
    advice = "Restore that, or use another save_path."
    if saved is None or now is None:
        found = ("the encoder trained", "it is frozen") if saved is None else ("its encoder was frozen", "it is not")
        raise CheckpointError(
            f"{folder}: a resumed run keeps freeze_encoder_of. When saved {found[0]}, now {found[1]}. {advice}"
        )
    rule = "its heads were trained on the encoder of another model than freeze_encoder_of names now"
    raise CheckpointError(f"{folder}: {rule}, or that model has changed. {advice}")


def _restore_gradients(run: TrainingRun, gradients: Mapping[str, Tensor]) -> None:
    """Continue an update that has some of its batches; the state of another weighting is ignored."""
    if not run.ranks.first:  # they are sums over all ranks, which the first one brings; the numbers are counts
        gradients = {
            name: each if each.dtype == paddle.int64 else paddle.zeros_like(each) for name, each in gradients.items()
        }
    per_task = {name: gradient for name, gradient in gradients.items() if name.startswith(PREFIX)}
    if run.task_gradients is None:
        whole = {name: gradient for name, gradient in gradients.items() if name not in per_task}
        run.optimizer.set_gradients(whole)
    else:
        run.task_gradients.restore(per_task)


def saved_weights(run: TrainingRun, folder: Path) -> dict[str, Tensor]:
    """The weights of a verified checkpoint of `run`, averaged if the run averages them."""
    weights = load_tensors(folder / WEIGHTS_FILE)
    if run.average is None:
        return weights
    updates = _read_progress(folder)[1].updates
    return weights | run.average.average_of(load_tensors(folder / _AVERAGE_FILE), updates=updates)


def roll_back(run: TrainingRun, folder: Path) -> None:
    """Restore weights, optimizer state and averages of a verified checkpoint in `run`, but not its counters."""
    _restore_weights(run, folder, _read_progress(folder)[1])
    run.optimizer.drop_gradients()
    if run.task_gradients is not None:
        run.task_gradients.clear()


def set_weights(parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `weights` into `parameters`; both must have the same names, shapes and element types.

    Raises:
        CheckpointError: Names the differences.
    """
    different = sorted(set(parameters) ^ set(weights)) or [
        f"{name} {_form(weights[name])} instead of {_form(parameter)}"
        for name, parameter in parameters.items()
        if _form(weights[name]) != _form(parameter)
    ]
    if different:
        listed = ", ".join(different[:5]) + (" …" if len(different) > 5 else "")
        raise CheckpointError(f"{where}: the weights do not fit the configured model. Differences: {listed}.")
    for name, parameter in parameters.items():
        parameter.set_value(weights[name])


def _form(tensor: Tensor) -> str:
    return f"{tensor.dtype!s}{list(tensor.shape)}".removeprefix("paddle.")


def _describe_average(run: TrainingRun) -> dict[str, Any]:
    if run.average is None:
        return {"average_updates": 0}
    return {"average_updates": run.average.updates, "weight_average": run.average.rule.name}


def _restore_weights(run: TrainingRun, folder: Path, saved: _SavedState) -> None:
    wanted = run.average.rule.name if run.average else "off"
    if wanted != saved.kind:
        rule = f"was saved with weight_average `{saved.kind}` (`ema` is use_ema). Found `{wanted}` now."
        raise CheckpointError(f"{folder}: {rule} Set it back, or use another save_path.")
    before, now = saved.optimizer, run.settings.optimizer
    if before not in OPTIMIZERS or OPTIMIZERS[before] is not OPTIMIZERS[now]:
        rule = f"was saved with optimizer `{before}`, whose state does not fit another one. Found `{now}` now."
        raise CheckpointError(f"{folder}: {rule} Set it back, or use another save_path.")
    set_weights(run.model.state_dict(), load_tensors(folder / WEIGHTS_FILE), where=str(folder))
    run.optimizer.restore(load_tensors(folder / _OPTIMIZER_FILE))
    if run.average is not None:
        run.average.restore(load_tensors(folder / _AVERAGE_FILE), updates=saved.updates)


def _read_progress(folder: Path) -> tuple[Progress, _SavedState]:
    """The progress of the run, and the description of its tensors."""
    file = folder / _PROGRESS_FILE
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        saved = {_RENAMED.get(key, key): value for key, value in written.items()}
        usual = "ema" if (folder / _AVERAGE_FILE).exists() else "off"  # the only kind at that time
        optimizer = saved.get("optimizer", TrainSettings.model_fields["optimizer"].default)
        kind, frozen = saved.get("weight_average", usual), saved.get(_FROZEN)
        state = _SavedState(kind, saved["average_updates"], optimizer, saved.get("amp"), frozen)
        saved |= {key: read(saved[key]) for key, read in _READERS.items() if key in saved}
        # Fields unknown to older versions keep their defaults.
        known = {part.name: saved[part.name] for part in fields(Progress) if part.name in saved}
        progress = Progress(**{**known, "task_steps": saved["task_steps"]})
        _check_types(progress, state)
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        found = f"{error!s:.300}"
        raise CheckpointError(
            f"{file}: does not contain the progress of a run ({found}). Use another checkpoint."
        ) from error
    return progress, state


def _check_types(progress: Progress, state: _SavedState) -> None:
    """Raise ValueError if a part is not of its declared type, or a count is negative."""
    counts = [progress.global_step, *progress.task_steps.values(), progress.skipped_draws, state.updates]
    wrong = [count for count in counts if type(count) is not int or not 0 <= count < _MOST_STEPS]
    if wrong:
        raise ValueError(f"a count is a whole number of at least 0, found {wrong[0]!r:.80}")
    if not isinstance(state.kind, str) or not isinstance(state.optimizer, str):
        raise ValueError(f"weight_average and optimizer are names, found {state!r:.80}")  # noqa: TRY004 (caught above)
    _PROGRESS.validate_json(json.dumps(asdict(progress)), strict=True)


def _check_step(folder: Path) -> None:
    """Refuse a valid checkpoint under the name of another step."""
    found = _read_progress(folder)[0].global_step
    if found != _step_of(folder):
        raise CheckpointError(f"{folder}: holds the checkpoint of step {found}. Restore its name.")


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step_"))
