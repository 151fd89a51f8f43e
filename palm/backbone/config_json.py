"""Reads the config of an encoder from a config.json, or from its content."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from palm.errors import ConfigError, Problem
from palm.schema.places import exists, find_input, not_found, read_text
from palm.schema.values import BACKBONE_ALIASES, Layer, Setting, settle_aliases


def read_layer(config: Mapping[str, object] | str | Path, owner: str) -> tuple[Layer, list[Problem], str]:
    """The keys in `config`, the problems of reading them, and where they are written.

    Args:
        config: Content of a config.json, its path, or its folder.
        owner: Name of the caller, for messages.
    """
    if isinstance(config, Mapping):
        return *settle_aliases((Setting(key, value, owner) for key, value in config.items()), BACKBONE_ALIASES), owner
    file = Path(config)
    file = (next_to_weights(file, BACKBONE_FILES) or file) if file.is_dir() else file
    return *load_backbone_file(Setting("config", str(file), owner)), str(file)


def load_backbone_file(path: Setting) -> tuple[Layer, list[Problem]]:
    """Read the JSON file with the backbone's config that `path` names; on failure, an empty layer and the problem."""
    value = str(path.value)
    file = find_input(value, path.folder)
    if file is None or not file.is_file():
        return {}, [Problem(path.where, not_found(path.name, value, path.folder))]
    try:
        return settle_aliases(_json_settings(file), BACKBONE_ALIASES)
    except ConfigError as error:
        return {}, list(error.problems)


def _json_settings(file: Path) -> list[Setting]:
    text = read_text(file, str(file))
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        line = getattr(error, "lineno", 1)
        rule = "the backbone's config must be JSON."
        raise ConfigError(Problem(f"{file}:{line}", f"{rule} Found: {getattr(error, 'msg', error)}.")) from None
    if not isinstance(data, dict):
        raise ConfigError(
            Problem(f"{file}:1", f"the backbone's config must be a JSON object. Found `{str(data)[:40]}`.")
        )
    settings: list[Setting] = []
    problems = []
    for key, value, line in _json_members(text):
        where = f"{file}:{line}"
        if any(setting.key == key for setting in settings):
            problems.append(Problem(where, f"a key is given once. Found `{key}` again. Remove one of them."))
        settings.append(Setting(key, value, where, file.parent))
    if problems:
        raise ConfigError(problems)
    return settings


def _json_members(text: str) -> Iterator[tuple[str, object, int]]:
    """Key, value and line of each member of the well-formed JSON object `text`."""
    decoder = json.JSONDecoder()
    index = text.index("{") + 1
    while True:
        while text[index] in " \t\r\n,":
            index += 1
        if text[index] == "}":
            return
        line = text.count("\n", 0, index) + 1
        key, index = decoder.raw_decode(text, index)
        index = text.index(":", index) + 1
        while text[index] in " \t\r\n":
            index += 1
        value, index = decoder.raw_decode(text, index)
        yield key, value, line


BACKBONE_FILES = ("config.json", "bert_config.json", "ernie_config.json")


def next_to_weights(weights: Path, names: Sequence[str]) -> Path | None:
    """The first of `names` in the folder of pre-trained weights, or in its parent, as in PALM's archives."""
    if not exists(weights):
        return None
    folders = (weights, weights.parent) if weights.is_dir() else (weights.parent,)
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)
