"""Checks over the tasks of a run: targets, shared heads, vocabularies, metrics."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from palm.balancing.gradients import GRADIENT_METHODS
from palm.errors import Problem
from palm.metric.base import METRICS
from palm.registry import did_you_mean
from palm.schema.settings import TaskSettings, TrainSettings
from palm.schema.values import Resolved

Tasks = Mapping[str, TaskSettings]
TaskValues = Mapping[str, Mapping[str, Resolved]]


def check_tasks(tasks: Tasks, values: TaskValues, *, names: Sequence[str], for_train: bool) -> Iterator[Problem]:
    """Everything that is wrong between tasks which are right one by one.

    Args:
        tasks: The tasks whose own keys are right.
        values: Where each key of each task was written.
        names: All tasks of the run.
        for_train: Whether the run trains.

    """
    yield from _sharing(tasks, values, names)
    yield from _vocabularies(tasks, values)
    yield from _metrics(tasks, values)
    if for_train:
        yield from _targets(tasks, values, names)
        yield from _training_files(tasks)


def check_gradient_method(train: TrainSettings, tasks: Tasks, where: str) -> Iterator[Problem]:
    """What keeps a gradient method from having gradients to balance."""
    if train.weighting not in GRADIENT_METHODS:
        return
    active = [name for name, settings in tasks.items() if settings.mix_ratio > 0]
    if len(active) < 2:
        rule = f"weighting: {train.weighting} balances the gradients of two tasks or more."
        found = f"Found {len(active)} with a mix_ratio above 0."
        yield Problem(where, f"{rule} {found} Add a task, or set weighting: fixed.")


def head_keys(tasks: Tasks) -> dict[str, str]:
    """The first task of each group of tasks that share a head, directly or through others, by task."""
    head = {name: name for name in tasks}
    for name, settings in tasks.items():
        other = settings.share_head_with
        if other is not None and other in head:
            joined = {head[name], head[other]}
            first = next(key for key in tasks if key in joined)
            head = {key: first if group in joined else group for key, group in head.items()}
    return head


def _where(values: TaskValues, name: str, key: str) -> str:
    setting = values[name].get(key)
    return setting.setting.where if setting else f"tasks.{name}.{key}"


def _sharing(tasks: Tasks, values: TaskValues, names: Sequence[str]) -> Iterator[Problem]:
    for name, settings in tasks.items():
        other = settings.share_head_with
        if other is not None and other not in names:
            hint = did_you_mean(other, [key for key in names if key != name])
            rule = "share_head_with names another task of this run."
            advice = f"Tasks: {', '.join(names)}."
            yield Problem(_where(values, name, "share_head_with"), f"{rule} Found `{other}`.{hint} {advice}")


def _vocabularies(tasks: Tasks, values: TaskValues) -> Iterator[Problem]:
    first: tuple[str, str] | None = None
    for name, settings in tasks.items():
        if settings.vocab_path is None:
            continue
        if first is None:
            first = (name, settings.vocab_path)
        elif not _same_file(Path(first[1]), Path(settings.vocab_path)):
            rule = "all tasks share one encoder and so one vocabulary."
            found = f"Found `{settings.vocab_path}` for `{name}` and `{first[1]}` for `{first[0]}`."
            yield Problem(_where(values, name, "vocab_path"), f"{rule} {found} Set vocab_path in the global file.")


def _same_file(one: Path, other: Path) -> bool:
    if one == other or not (one.is_file() and other.is_file()):
        return True  # a missing one has been reported, or is not needed
    return one.resolve() == other.resolve() or one.read_bytes() == other.read_bytes()


def _metrics(tasks: Tasks, values: TaskValues) -> Iterator[Problem]:
    for name, settings in tasks.items():
        for metric in settings.metrics or ():
            if metric not in METRICS:
                hint = did_you_mean(metric, list(METRICS))
                message = f"unknown metric `{metric}`.{hint} Registered: {', '.join(METRICS)}."
                yield Problem(_where(values, name, "metrics"), message)


def _targets(tasks: Tasks, values: TaskValues, names: Sequence[str]) -> Iterator[Problem]:
    targets = [name for name, settings in tasks.items() if settings.target]
    if not targets and len(tasks) == len(names):
        rule = "training ends when every target is there, so a run needs at least one."
        found = "Found auxiliary tasks only. Set one element of target_tag to 1."
        yield Problem(_where(values, names[0], "target"), f"{rule} {found}")
    for name in targets:
        if tasks[name].mix_ratio == 0:
            rule = f"a target needs a mix_ratio above 0, or it is never reached. Found 0 for `{name}`."
            yield Problem(_where(values, name, "mix_ratio"), f"{rule} Raise it, or make the task auxiliary.")


def _training_files(tasks: Tasks) -> Iterator[Problem]:
    for name, settings in tasks.items():
        if settings.train_file is None:
            rule = f"task `{name}` needs `train_file` to be trained. Found nothing."
            yield Problem(f"tasks.{name}", f"{rule} Add it, or pass for_train=False to only predict.")


def row_sharing_problems(
    train: TrainSettings, tasks: Mapping[str, TaskSettings], values: Mapping[str, Mapping[str, Resolved]]
) -> Iterator[Problem]:
    """Everything that `share_rows_with` says wrong."""
    for name, settings in tasks.items():
        other = settings.share_rows_with
        if other is None:
            continue
        given = values[name].get("share_rows_with")
        where = given.setting.where if given else f"tasks.{name}.share_rows_with"
        others = [key for key in tasks if key != name]
        if other not in others:
            hint = did_you_mean(other, others)
            rule = f"share_rows_with names another task of this run. Found `{other}`.{hint}"
            yield Problem(where, f"{rule} Tasks: {', '.join(others)}.")
            continue
        if tasks[other].share_rows_with is not None:
            rule = "share_rows_with names the task that all tasks with these rows follow."
            found = f"Found `{other}`, which follows `{tasks[other].share_rows_with}` itself."
            yield Problem(where, f"{rule} {found} Name that one.")
        if train.mode != "joint":
            rule = "rows are shared by the tasks of a joint step. Found mode: alternating."
            yield Problem(where, f"{rule} Set mode: joint, or leave share_rows_with out.")
        if not (settings.mix_ratio and tasks[other].mix_ratio):
            rule = "tasks that share rows train both. Found a mix_ratio of 0."
            yield Problem(where, f"{rule} Raise it, or leave share_rows_with out.")
