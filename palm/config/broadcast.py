"""Precedence: command line over global file over task file and backbone file; within a layer, the more specific key."""

import re
from collections.abc import Mapping, Sequence

from palm.config.files import GlobalFile
from palm.config.overrides import Overrides
from palm.errors import Problem
from palm.registry import did_you_mean
from palm.schema.fields import split_list
from palm.schema.run_settings import TaskLists
from palm.schema.saved_model import LONGEST_NAME
from palm.schema.validate import validate
from palm.schema.values import Layer, Resolved, Setting, stack
from palm.storage.layout import CHECKPOINT_FOLDER, EARLIER_FOLDER, INFERENCE_FOLDER, TRACKERS_FOLDER

TASK_LIST = "task_instance"
LIST_KEYS = tuple(TaskLists.model_fields)
OWN_FOLDERS = (CHECKPOINT_FOLDER, EARLIER_FOLDER, INFERENCE_FOLDER, TRACKERS_FOLDER)
"""Folders of a run itself, which no task and no stage may be called."""
_NAME = re.compile(r"\w[\w-]{0,63}")


def task_names(main: GlobalFile, flags: Overrides) -> tuple[list[str], list[Problem]]:
    """The tasks of the run in order: `task_instance`, or else the names under `tasks:`."""
    setting = flags.flat.get(TASK_LIST) or main.flat.get(TASK_LIST)
    listed = listed_tasks(setting)
    names = list(main.tasks) if listed is None else listed
    where = f"{main.name}: tasks" if listed is None or setting is None else setting.where
    if not names:
        rule = "a run needs at least one task."
        return [], [Problem(main.name, f"{rule} Found none. Set `task_instance: name` or `tasks:`.")]
    unique = list(dict.fromkeys(names))
    return unique, [*_name_problems(names, where), *_stray_tasks(unique, main, flags, setting)]


def listed_tasks(setting: Setting | None) -> list[str] | None:
    """The names in `task_instance`; empty if it is not a list, None if unset."""
    if setting is None or setting.value is None:
        return None
    listed = split_list(setting.value)
    return [str(name) for name in listed] if isinstance(listed, list) else []


def is_task_name(name: str) -> bool:
    """Whether `name` is a valid task name, which is used for a folder, a file and in parameter names."""
    return bool(_NAME.fullmatch(name))


def broadcast(
    names: Sequence[str], main: GlobalFile, flags: Overrides, files: Mapping[str, Layer]
) -> tuple[dict[str, dict[str, Resolved]], list[Problem]]:
    """The merged keys of each task, and the problems of lists with one element per task."""
    flag_lists, problems = split_task_lists(flags.flat, names, "command line")
    main_lists, more = split_task_lists(main.flat, names, main.name)
    for_all_flags, for_all = (
        {key: setting for key, setting in layer.items() if key not in LIST_KEYS} for layer in (flags.flat, main.flat)
    )
    merged = {}
    for name in names:
        merged[name] = stack(
            [
                flags.tasks.get(name, {}),
                flag_lists.get(name, {}),
                for_all_flags,
                main.tasks.get(name, {}),
                main_lists.get(name, {}),
                for_all,
                files.get(name, {}),
            ]
        )
    return merged, [*problems, *more]


def split_task_lists(
    layer: Layer, names: Sequence[str], home: str
) -> tuple[dict[str, dict[str, Setting]], list[Problem]]:
    """`mix_ratio`, `target_tag` and `task_reuse_tag` of a layer as keys of each task."""
    given = {key: Resolved(layer[key]) for key in LIST_KEYS if key in layer}
    lists, problems = validate(TaskLists, given, owner="the run", home=home)
    split: dict[str, dict[str, Setting]] = {name: {} for name in names}
    if lists is None:
        return split, problems
    for key, values in lists:
        if values is None:
            continue
        if len(values) != len(names):
            problems.append(_length_problem(layer[key], values, names))
            continue
        for name, value in zip(names, values, strict=True):
            task_key, task_value = _as_task_key(key, value, names[values.index(value)], name)
            setting = layer[key]
            split[name][task_key] = Setting(task_key, task_value, setting.where, setting.folder, key)
    return split, problems


def _as_task_key(key: str, value: object, first_with_value: str, name: str) -> tuple[str, object]:
    if key == "target_tag":
        return "target", value
    if key == "task_reuse_tag":
        return "share_head_with", first_with_value if first_with_value != name else None
    return key, value


def _length_problem(setting: Setting, values: Sequence[object], names: Sequence[str]) -> Problem:
    rule = f"{setting.name} has one value per task."
    found = f"Found {len(values)} for {len(names)} in task_instance ({', '.join(names)})."
    return Problem(setting.where, f"{rule} {found} Make the lists equally long.")


def _name_problems(names: Sequence[str], where: str) -> list[Problem]:
    problems = []
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            message = f"a task must be listed once. Found `{name}` {names.count(name)} times. Remove the repetition."
            problems.append(Problem(where, message))
        if name in OWN_FOLDERS or len(name.encode(errors="replace")) > LONGEST_NAME:
            *others, last = OWN_FOLDERS
            rule = f"a task name has at most {LONGEST_NAME} bytes and is not {', '.join(others)} or {last}."
            problems.append(Problem(where, f"{rule} Found `{name[:40]}`. Choose another."))
        if not is_task_name(name):
            rule = "a task name consists of letters, digits, `_` and `-`, since it names a folder and a file."
            problems.append(Problem(where, f"{rule} Found `{name}`. Use task_dir for the folder, no extension."))
    return problems


def _stray_tasks(names: list[str], main: GlobalFile, flags: Overrides, setting: Setting | None) -> list[Problem]:
    """Tasks with keys that are not in the run; a selection on the command line may omit tasks."""
    selected = setting is not None and TASK_LIST in flags.flat
    places = {} if selected else {name: main.task_places[name] for name in main.tasks}
    places |= {name: next(iter(layer.values())).where for name, layer in flags.tasks.items()}
    return [
        Problem(where, f"task `{name}` is not in task_instance.{did_you_mean(name, names)} Add it there or remove it.")
        for name, where in places.items()
        if name not in names
    ]
