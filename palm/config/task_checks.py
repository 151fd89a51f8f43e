"""Checks over the tasks of a run: targets, shared heads, vocabularies, metrics."""

from collections.abc import Iterator
from pathlib import Path

from palm.balancing.gradients import GRADIENT_METHODS
from palm.config.typed import TypedConfig
from palm.errors import Problem
from palm.metric.base import METRICS
from palm.registry import did_you_mean

_NO_VOCABULARY = (
    "a run needs `vocab_path`. Found none, and no vocab.txt beside pre-trained weights. "
    "Name a vocabulary, one word-piece a line."
)


def gradients_to_balance(config: TypedConfig) -> Iterator[Problem]:
    """A gradient method needs the gradients of several tasks."""
    train = config.train
    if not config.for_train or train is None or train.weighting not in GRADIENT_METHODS:
        return
    active = [name for name, settings in config.settings.items() if settings.mix_ratio > 0]
    if len(active) < 2:
        rule = f"weighting: {train.weighting} balances the gradients of two tasks or more."
        found = f"Found {len(active)} with a mix_ratio above 0."
        yield Problem(config.where("weighting"), f"{rule} {found} Add a task, or set weighting: fixed.")


def known_head_owners(config: TypedConfig) -> Iterator[Problem]:
    """`share_head_with` names a task."""
    for name, settings in config.settings.items():
        other = settings.share_head_with
        if other is not None and other not in config.names:
            hint = did_you_mean(other, [key for key in config.names if key != name])
            rule = "share_head_with names another task of this run."
            advice = f"Tasks: {', '.join(config.names)}."
            yield Problem(config.where("share_head_with", name), f"{rule} Found `{other}`.{hint} {advice}")


def one_vocabulary(config: TypedConfig) -> Iterator[Problem]:
    """All tasks have the same vocabulary, and a run that trains has one."""
    first: tuple[str, str] | None = None
    for name, settings in config.settings.items():
        if settings.vocab_path is None:
            continue
        if first is None:
            first = (name, settings.vocab_path)
        elif not _same_file(Path(first[1]), Path(settings.vocab_path)):
            rule = "all tasks share one encoder and so one vocabulary."
            found = f"Found `{settings.vocab_path}` for `{name}` and `{first[1]}` for `{first[0]}`."
            yield Problem(config.where("vocab_path", name), f"{rule} {found} Set vocab_path in the global file.")
    if config.for_train and config.merged is not None and config.run is not None and config.run.vocab_path is None:
        yield Problem(config.merged.sources.main.name, _NO_VOCABULARY)


def _same_file(one: Path, other: Path) -> bool:
    if one == other or not (one.is_file() and other.is_file()):
        return True  # a missing one has been reported, or is not needed
    return one.resolve() == other.resolve() or one.read_bytes() == other.read_bytes()


def known_metrics(config: TypedConfig) -> Iterator[Problem]:
    """`metrics` names registered metrics."""
    for name, settings in config.settings.items():
        for metric in settings.metrics or ():
            if metric not in METRICS:
                hint = did_you_mean(metric, list(METRICS))
                message = f"unknown metric `{metric}`.{hint} Registered: {', '.join(METRICS)}."
                yield Problem(config.where("metrics", name), message)


def targets_to_reach(config: TypedConfig) -> Iterator[Problem]:
    """A run that trains has a target, and reaches each."""
    if not config.for_train:
        return
    targets = [name for name, settings in config.settings.items() if settings.target]
    if not targets and config.all_tasks_typed:
        rule = "training ends when every target is there, so a run needs at least one."
        found = "Found auxiliary tasks only. Set one element of target_tag to 1."
        yield Problem(config.where("target", config.names[0]), f"{rule} {found}")
    for name in targets:
        if config.settings[name].mix_ratio == 0:
            rule = f"a target needs a mix_ratio above 0, or it is never reached. Found 0 for `{name}`."
            yield Problem(config.where("mix_ratio", name), f"{rule} Raise it, or make the task auxiliary.")


def training_files(config: TypedConfig) -> Iterator[Problem]:
    """Each task of a run that trains has data."""
    for name, settings in config.settings.items() if config.for_train else ():
        if settings.train_file is None:
            rule = f"task `{name}` needs `train_file` to be trained. Found nothing."
            yield Problem(f"tasks.{name}", f"{rule} Add it, or pass for_train=False to only predict.")


def rows_shared_by_name(config: TypedConfig) -> Iterator[Problem]:
    """`share_rows_with` names a task that the joint steps of the run train."""
    tasks, train = config.settings, config.train
    for name, settings in tasks.items() if config.for_train and train is not None else ():
        other = settings.share_rows_with
        if other is None:
            continue
        where, others = config.where("share_rows_with", name), [key for key in tasks if key != name]
        if other not in others:
            hint = did_you_mean(other, others)
            rule = f"share_rows_with names another task of this run. Found `{other}`.{hint}"
            yield Problem(where, f"{rule} Tasks: {', '.join(others)}.")
            continue
        if tasks[other].share_rows_with is not None:
            rule = "share_rows_with names the task that all tasks with these rows follow."
            found = f"Found `{other}`, which follows `{tasks[other].share_rows_with}` itself."
            yield Problem(where, f"{rule} {found} Name that one.")
        if train is not None and train.mode != "joint":
            rule = "rows are shared by the tasks of a joint step. Found mode: alternating."
            yield Problem(where, f"{rule} Set mode: joint, or leave share_rows_with out.")
        if not (settings.mix_ratio and tasks[other].mix_ratio):
            rule = "tasks that share rows train both. Found a mix_ratio of 0."
            yield Problem(where, f"{rule} Raise it, or leave share_rows_with out.")
