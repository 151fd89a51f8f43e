"""Reads the files of a run: global file (or mapping), task files, the backbone's JSON. Values keep their place."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palm.backbone.config_json import load_backbone_file
from palm.config.overrides import overrides_from_argv
from palm.config.yaml_file import YamlFile, read_yaml
from palm.errors import ConfigError, Problem
from palm.reader.formats.sources import plain_data_keys
from palm.schema.places import candidates, expanded, find_input
from palm.schema.values import Layer, Setting, settle_aliases

__all__ = ["GlobalFile", "Keys", "load_backbone_file", "load_global", "load_task_file", "overrides_from_argv"]

TASKS = "tasks"
STAGES = "stages"
SEARCH = "search"

Where = Callable[..., str]
"""Place of each key, by the path of keys to it."""


@dataclass(frozen=True)
class Keys:
    """Keys of a global file, or of one of its stages, and those under their `tasks:`.

    Attributes:
        flat: Keys of the top level.
        tasks: Keys of each task under `tasks:`, in the order of the file.
        task_places: Place of each task under `tasks:`.
        problems: Problems of the keys.
        where: Their place.

    """

    flat: Layer
    tasks: Mapping[str, Layer] = field(default_factory=dict)
    task_places: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Search:
    """The keys under `search:`, which `palm tune` reads.

    Attributes:
        keys: Its content.
        places: Place of each of its keys, by the path of keys to it.
        where: Its own place.

    """

    keys: Mapping[str, object]
    places: Mapping[tuple[str, ...], str]
    where: str


@dataclass(frozen=True)
class GlobalFile:
    """The global file: its own keys, those under `tasks:`, and those under `stages:`.

    Attributes:
        name: The file in messages, or `config` for a mapping.
        folder: Its folder, the second search path of relative paths and the task folder.
        flat: Keys of the top level.
        tasks: Keys of each task under `tasks:`, in the order of the file.
        task_places: Place of each task under `tasks:`.
        problems: Problems of the keys.
        stages: Keys of each stage, in the order of the file; None without `stages:`.
        stages_place: Place of `stages:`.
        search: Keys to search; None without `search:`.

    """

    name: str
    folder: Path | None
    flat: Layer
    tasks: Mapping[str, Layer] = field(default_factory=dict)
    task_places: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    stages: Mapping[str, Keys] | None = None
    stages_place: str = ""
    search: Search | None = None


@dataclass(frozen=True)
class TaskFile:
    """The file of a task.

    Attributes:
        place: Its path, or all candidate paths if it does not exist.
        keys: Its content; None if it does not exist.
        problems: Its problems.

    """

    place: str
    keys: Layer | None
    problems: tuple[Problem, ...] = ()


def load_global(config: str | Path | Mapping[str, object]) -> GlobalFile:
    """Read the global configuration.

    Raises:
        ConfigError: The file is missing, or is not a readable YAML mapping.

    """
    if isinstance(config, Mapping):
        document, folder = YamlFile("config", plain_mapping(config), None), None
    else:
        document, folder = read_yaml(_existing(config)), expanded(config).parent
    stages, problems = _stages(document, folder)
    search = _search(document, problems)
    top = {key: value for key, value in document.data.items() if key not in (STAGES, SEARCH)}
    keys = _keys(top, (), document.where, folder)
    every = (*keys.problems, *problems)
    where = document.where(STAGES)
    return GlobalFile(document.file, folder, keys.flat, keys.tasks, keys.task_places, every, stages, where, search)


def _search(document: YamlFile, problems: list[Problem]) -> Search | None:
    given, where = document.data.get(SEARCH), document.where(SEARCH)
    if SEARCH not in document.data:
        return None
    if not isinstance(given, Mapping):
        rule = f"`{SEARCH}` is a mapping from keys to the values to try. Found `{given}`."
        problems.append(Problem(where, f"{rule} Write `{SEARCH}: {{learning_rate: [1e-5, 5e-4, log]}}`."))
        return None
    paths = [path[1:] for path in document.lines or () if path[0] == SEARCH and len(path) > 1]
    return Search(given, {path: document.where(SEARCH, *path) for path in paths}, where)


def load_task_file(name: str, task_dir: str, folder: Path | None) -> TaskFile:
    """Read `<task_dir>/<name>.yaml`."""
    wanted = str(Path(task_dir) / f"{name}.yaml")
    place = find_input(wanted, folder)
    if place is None:
        return TaskFile(" or ".join(f"`{spot}`" for spot in candidates(wanted, folder)), None)
    try:
        document = read_yaml(place)
    except ConfigError as error:
        return TaskFile(str(place), {}, error.problems)
    settings = (Setting(key, value, document.where(key), place.parent) for key, value in document.data.items())
    layer, problems = settle_aliases(settings)
    return TaskFile(str(place), layer, tuple(problems))


def _existing(config: str | Path) -> Path:
    file = expanded(config)
    if not file.is_file():
        found = "a folder" if file.is_dir() else "nothing"
        rule = f"the configuration must be a YAML file. Found {found} at `{file.absolute()}`. Correct the path."
        raise ConfigError(Problem(str(config), rule))
    return file


def _stages(document: YamlFile, folder: Path | None) -> tuple[dict[str, Keys] | None, list[Problem]]:
    if STAGES not in document.data:
        return None, []
    problems: list[Problem] = []
    where = document.where(STAGES)
    found = _mappings(document.data[STAGES], where, "stage", problems)
    stages = {stage: _keys(own, (STAGES, stage), document.where, folder) for stage, own in found}
    if not stages and not problems:
        problems.append(Problem(where, "`stages` needs at least one stage. Found none. Remove it, or add one."))
    return stages, problems


def _keys(data: Mapping[str, object], path: tuple[str, ...], where: Where, folder: Path | None) -> Keys:
    own = {key: value for key, value in data.items() if key != TASKS}
    flat, problems = settle_aliases(Setting(key, value, where(*path, key), folder) for key, value in own.items())
    layers: dict[str, Layer] = {}
    for name, keys in _mappings(data.get(TASKS), where(*path, TASKS), "task", problems):
        place = (*path, TASKS, name)
        settings = (Setting(key, value, where(*place, key), folder) for key, value in keys.items())
        layers[name], more = settle_aliases(settings)
        problems += more
    places = {name: where(*path, TASKS, name) for name in layers}
    return Keys(flat, layers, places, tuple(problems), where(*path))


def _mappings(given: object, where: str, kind: str, problems: list[Problem]) -> Iterator[tuple[str, dict[str, object]]]:
    """Name and keys of each task or stage."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        advice = " List bare names in task_instance instead." if kind == "task" else ""
        rule = f"`{kind}s` is a mapping from {kind} names to their keys."
        problems.append(Problem(where, f"{rule} Found `{given}`.{advice}"))
        return
    for name, keys in given.items():
        if keys is None or isinstance(keys, Mapping):
            yield name, dict(keys or {})
        else:
            rule = f"the keys of {kind} `{name}` are a mapping `key: value`."
            problems.append(Problem(where, f"{rule} Found `{keys}`."))


def plain_mapping(given: Mapping[Any, object]) -> dict[str, object]:
    """A mapping in the form of a YAML file: keys and paths are text."""
    return {str(key): _plain(value) for key, value in plain_data_keys(given).items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return plain_mapping(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value
