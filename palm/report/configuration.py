"""The configuration of a run with the sources of its values, and how runs differ in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palm.config.yaml_file import read_yaml
from palm.errors import ConfigError
from palm.schema.run_description import RunDescription, ValueOrigin
from palm.storage.layout import RESOLVED_CONFIG
from palm.tracking.hyper_parameters import without_secrets

ABSENT = "–"
"""A key that a run does not have."""


@dataclass(frozen=True)
class ConfiguredValue:
    """A value of a run.

    Attributes:
        key: Its key, `tasks.<name>.<key>` for a task's.
        value: The value as text.
        where: Its source; empty where none is known.
        overridden: Overridden values with their sources.
    """

    key: str
    value: str
    where: str = ""
    overridden: str = ""


@dataclass(frozen=True)
class RunConfiguration:
    """The values of a run.

    Attributes:
        values: By key.
        problem: Why they cannot be read; empty if they can, or if the run has none, as those of trainers.
    """

    values: Mapping[str, ConfiguredValue] = field(default_factory=dict)
    problem: str = ""

    def of_task(self, task: str, key: str) -> str | None:
        """A value of a task, or that of the run where the task has none of its own; None without either."""
        found = self.values.get(f"tasks.{task}.{key}") or self.values.get(key)
        return None if found is None else found.value

    @property
    def task_names(self) -> list[str]:
        """The tasks, in order."""
        named = (key.split(".")[1] for key in self.values if key.startswith("tasks.") and key.count(".") > 1)
        return list(dict.fromkeys(named))


@dataclass(frozen=True)
class DifferentValue:
    """A key in which runs differ.

    Attributes:
        key: The key.
        values: The value of each run.
    """

    key: str
    values: tuple[str, ...]


def read_configuration(folder: Path, description: RunDescription | None) -> RunConfiguration:
    """The values of a run without secrets; none where it has no configuration, as runs of trainers."""
    file = folder / RESOLVED_CONFIG
    if not file.is_file():
        return RunConfiguration()
    try:
        content = without_secrets(read_yaml(file).data)
    except ConfigError as error:
        return RunConfiguration(problem=str(error))
    origins = {origin.key: origin for origin in description.origins} if description else {}
    flat = flattened(content)
    return RunConfiguration({key: _configured(key, value, origins.get(key)) for key, value in flat.items()})


def flattened(content: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Every value by its path of keys; a mapping without members is a value."""
    found: dict[str, object] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            found |= flattened(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def value_as_text(value: object) -> str:
    """A value as YAML would have it, in a line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(value_as_text, value)) or "[]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def differing_values(runs: Sequence[RunConfiguration]) -> list[DifferentValue]:
    """The keys in which runs differ, those that only some of them have included; runs without any are left out."""
    keys = dict.fromkeys(key for run in runs for key in run.values)
    rows = (DifferentValue(key, tuple(_text_of(run, key) for run in runs)) for key in keys)
    return [row for row in rows if len({text for text, run in zip(row.values, runs, strict=True) if run.values}) > 1]


def _text_of(run: RunConfiguration, key: str) -> str:
    found = run.values.get(key)
    return ABSENT if found is None else found.value


def _configured(key: str, value: object, origin: ValueOrigin | None) -> ConfiguredValue:
    text = value_as_text(value)
    if origin is None:
        return ConfiguredValue(key, text)
    return ConfiguredValue(key, text, origin.where, without_secrets({key: origin.overridden})[key])
