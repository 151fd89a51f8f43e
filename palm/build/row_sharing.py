"""Tasks that share their rows: what `share_rows_with` may say, and the rows themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from palm.data.shared_rows import match_rows
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.reader.base import Reader
from palm.registry import did_you_mean
from palm.schema.settings import TaskSettings, TrainSettings
from palm.schema.values import Resolved

# What readers give that make other rows of a text each time, or several.
_NOT_THE_TEXT = ("mask_pos", "choice_rows")


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


def with_shared_rows(tasks: Sequence[TaskInstance]) -> list[TaskInstance]:
    """The task instances, those that share rows with these rows.

    Raises:
        ConfigError: No row in common.
    """
    problems: list[Problem] = []
    made = {task.name: task for task in tasks}
    for leader in tasks:
        group = [leader, *(task for task in tasks if task.settings.share_rows_with == leader.name)]
        if len(group) > 1:
            problems += _share(group, made)
    if problems:
        raise ConfigError(problems)
    return [made[task.name] for task in tasks]


def unfit_rows(name: str, reader: Reader) -> Iterator[Problem]:
    """Why the rows that the task `name` reads cannot be shared, if they cannot."""
    if any(column in reader.outputs_attr("train") for column in _NOT_THE_TEXT):
        rule = "tasks share rows that hold one text each, as it is."
        found = f"Found a reader of `{name}` that masks words or makes several rows of one text."
        yield Problem(f"tasks.{name}", f"{rule} {found} Leave share_rows_with out.")


def _share(group: Sequence[TaskInstance], made: dict[str, TaskInstance]) -> Iterator[Problem]:
    rows = match_rows({task.name: task.training_data for task in group})
    first, *others = group
    leader = made[first.name] = replace(first, rows=rows)
    for task in others:
        made[task.name] = replace(task, rows=rows, leader=leader)
        if not ((rows.examples[task.name] >= 0) & (rows.examples[first.name] >= 0)).any():
            found = f"`{task.name}` and `{first.name}` have none in common."
            rule = f"share_rows_with is for tasks with the same texts. {found}"
            yield Problem(f"tasks.{task.name}.share_rows_with", f"{rule} Look at train_file, columns and max_seq_len.")
