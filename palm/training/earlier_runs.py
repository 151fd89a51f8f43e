"""What an earlier run left in save_path: archived by a run that starts anew, truncated by one that resumes."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import yaml

from palm.config.components import keys_everywhere
from palm.config.methods import following_keys, method_defaults
from palm.config.yaml_file import parse_yaml, read_yaml
from palm.distributed.ranks import current_ranks
from palm.distributed.reports import Reports
from palm.engine.checkpoint import newest_checkpoint, processes_of, rename_damaged, restore_checkpoint
from palm.engine.run import TrainingRun
from palm.errors import CheckpointError, ConfigError
from palm.paradigm import PARADIGMS
from palm.schema.facts import keys_where
from palm.schema.settings import TaskSettings, TrainSettings
from palm.storage.layout import (
    BEST_INFERENCE_FOLDER,
    CHECKPOINT_FOLDER,
    DEV_ROWS_FILE,
    EARLIER_FOLDER,
    INFERENCE_FOLDER,
    LOG_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RESOLVED_CONFIG,
    TRACKERS_FOLDER,
)
from palm.training.equal_ranks import check_same_checkpoint

_OF_A_TASK = (INFERENCE_FOLDER, BEST_INFERENCE_FOLDER, PREDICTIONS_FILE, DEV_ROWS_FILE)
_KEPT = (CHECKPOINT_FOLDER, LOG_FILE, METRICS_FILE, TRACKERS_FOLDER)


_BY_METRICS = {
    key: schema.model_fields[key].default
    for schema in (TrainSettings, TaskSettings)
    for key in keys_where(schema.model_fields, by_metrics=True)
}
"""The keys by which a run depends on dev metrics, each with the value with which it does not."""


def archive_previous_run(folder: Path) -> str | None:
    """Move checkpoints, log and metrics of an earlier run to `earlier/<number>`; returns a message if there were any.

    Otherwise a later resume could continue from the other run's checkpoint.
    """
    left = [folder / name for name in _KEPT if (folder / name).exists()]
    if not left:
        return None
    home = folder / EARLIER_FOLDER
    home.mkdir(exist_ok=True)
    taken = [int(path.name) for path in home.iterdir() if path.name.isdigit()]
    target = home / str(max(taken, default=0) + 1)
    target.mkdir()
    for path in left:
        path.rename(target / path.name)
    return f"An earlier run's {', '.join(path.name for path in left)} moved to {target.as_posix()}."


def planned_processes(save_path: Path) -> int:
    """The number of processes that the batches of a resumed run are planned for: that with which it was started."""
    ranks = current_ranks()

    def saved() -> int | None:
        newest, _ = newest_checkpoint(save_path / CHECKPOINT_FOLDER)
        return None if newest is None else processes_of(newest)

    return ranks.on_first(saved) or ranks.count


def other_processes_line(run: TrainingRun) -> list[str]:
    """A line for a run that goes on with another number of processes."""
    before, now = run.progress.processes, run.ranks.count
    if before == now:
        return []
    kept = "Batches stay those of the run as it was started"
    return [f"The run was started with {before} processes and continues with {now}. {kept}, each process has its part."]


def has_ended(folder: Path, run: TrainingRun, resolved: Mapping[str, object]) -> bool:
    """Whether a run of this configuration has ended in `folder`, after its last checkpoint if any.

    Each target's export is recorded in metrics.jsonl at its end, after the run's model was written. Nothing is left to
    train then, or to restore from.
    """
    if not (folder / METRICS_FILE).is_file() or changed_keys(folder, resolved):
        return False
    exports = {record.get("task"): record for record in read_records(folder) if record.get("split") == "export"}
    models = (folder / name / INFERENCE_FOLDER / MANIFEST_FILE for name in run.targets)
    if not exports.keys() >= run.targets.keys() or not all(model.is_file() for model in models):
        return False
    newest, _ = newest_checkpoint(folder / CHECKPOINT_FOLDER)
    if newest is None:
        return True
    last = max(int(str(exports[name].get("global_step", 0))) for name in run.targets)
    # With regular checkpoints there is one of the last step, or the run died before it.
    return run.settings.save_every_n_steps < 1 and int(newest.name.removeprefix("step_")) < last


def read_records(folder: Path) -> Iterator[Mapping[str, object]]:
    """The lines of metrics.jsonl in a run's folder: none without the file, and none that a run left incomplete."""
    file = folder / METRICS_FILE
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    for line in text.splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


def resume_or_archive(run: TrainingRun, folder: Path, *, resume: bool, resolved: Mapping[str, object]) -> list[str]:
    """Continue from the newest checkpoint in `folder` if requested and possible; else archive the earlier run.

    Args:
        run: The run, before its first step; it is restored from the checkpoint.
        folder: Its save_path.
        resume: Whether to look for a checkpoint.
        resolved: The run's configuration, compared with that of the run to continue.

    Returns:
        Lines for the user.

    Raises:
        CheckpointError: The checkpoint is of another model or of other tasks.
    """
    lines: list[str] = []
    if resume:
        found, lines = run.ranks.on_first(partial(_newest, folder))
        if found is not None:
            newest = Path(found)
            check_same_checkpoint(run.ranks, newest)
            about_data = restore_checkpoint(run, newest)
            lines += changed_keys(folder, resolved)
            run.ranks.on_first(partial(truncate_metrics, folder, run.progress.global_step))
            Reports.of_this_rank().write_begun(folder)
            ended = " The run had ended: nothing is left to train." if run.finished else ""
            resumed = f"Resumed from {newest.as_posix()} at global step {run.progress.global_step}.{ended}"
            return [*lines, resumed, *other_processes_line(run), *about_data]
        lines = [*lines, "No checkpoint to resume from: training starts anew."]
    moved = run.ranks.on_first(partial(archive_previous_run, folder))
    Reports.of_this_rank().write_begun(folder)
    return [*lines, moved] if moved else lines


def _newest(folder: Path) -> tuple[str | None, list[str]]:
    """The newest valid checkpoint of a run, once damaged ones are renamed, and why these are not valid."""
    home = folder / CHECKPOINT_FOLDER
    newest, complaints = newest_checkpoint(home)
    rename_damaged(home, newest)
    return None if newest is None else str(newest), complaints


def refuse_links_out(folder: Path, tasks: Sequence[str]) -> None:
    """Ensure that all files of a run stay inside `folder`.

    Raises:
        CheckpointError: A link in the folder leads out of it.
    """
    own = [CHECKPOINT_FOLDER, EARLIER_FOLDER, INFERENCE_FOLDER, TRACKERS_FOLDER]
    own += [LOG_FILE, METRICS_FILE, RESOLVED_CONFIG]
    of_a_task = *_OF_A_TASK, *(file for name in PARADIGMS for file in PARADIGMS[name].extra_files)
    own += [f"{task}{part}" for task in tasks for part in ("", *(f"/{name}" for name in of_a_task))]
    home = folder.resolve()
    for path in (folder / name for name in own):
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            rule = "what a run writes stays in save_path"
            raise CheckpointError(
                f"{path}: {rule}. Found a link to {path.resolve()}. Remove it, or set save_path there."
            )


def changed_keys(folder: Path, resolved: Mapping[str, object]) -> list[str]:
    """The keys whose values have changed since the resumed run was started, which changes its result."""
    file = folder / RESOLVED_CONFIG
    if not file.is_file():
        return []
    try:
        before = read_yaml(file).data
    except ConfigError:
        return [f"{file}: cannot be read, so it is unknown whether the run was started with other values."]
    now = parse_yaml(yaml.safe_dump(dict(resolved), allow_unicode=True), RESOLVED_CONFIG).data
    harmless = keys_everywhere(resume="nothing")
    if not _follows_metrics(before) and not _follows_metrics(now):
        harmless |= keys_everywhere(resume="metrics")
    changed = [
        f"{key} {old} → {new}"
        for key, (old, new) in _differences(_with_defaults(before), _with_defaults(now)).items()
        # With `auto` the run continues in what it was started with: see `continued_precision`.
        if key.rpartition(".")[2] not in harmless and (key, new) != ("amp", "auto")
    ]
    return [f"Changed since the run was started: {', '.join(changed)}. Its result will differ."] if changed else []


def _with_defaults(keys: object) -> object:
    """Add the defaults of all components: a file contains those that its run used, in some versions all."""
    return {**method_defaults(), **keys} if isinstance(keys, Mapping) else keys


def _follows_metrics(keys: object) -> bool:
    """Whether the best step, the end of the run, its sampling or its weights depend on dev metrics."""
    if not isinstance(keys, Mapping):
        return False
    judged = any(keys.get(key) not in (None, off) for key, off in _BY_METRICS.items())
    return judged or bool(following_keys(keys)) or any(_follows_metrics(value) for value in keys.values())


def _differences(before: object, now: object, place: str = "") -> dict[str, tuple[object, object]]:
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return {} if before == now else {place: (before, now)}
    found: dict[str, tuple[object, object]] = {}
    for key in {**before, **now}:
        found |= _differences(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    return found


def truncate_metrics(folder: Path, global_step: int) -> None:
    """Remove lines after `global_step`, which the resumed run writes again, and damaged lines from metrics.jsonl."""
    file = folder / METRICS_FILE
    if file.is_file():
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        kept = [f"{line}\n" for line in lines if _step_of(line) <= global_step]
        aside = file.with_suffix(".writing")
        aside.write_text("".join(kept), encoding="utf-8")
        aside.replace(file)


def _step_of(line: str) -> float:
    """The global step of a line of metrics; infinity for an incomplete line, as after a power failure."""
    try:
        return int(json.loads(line)["global_step"])
    except (ValueError, LookupError, TypeError):
        return math.inf
