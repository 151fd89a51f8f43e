"""The schemas of a run: the classes of its names, and the keys that they declare."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import palm.backbone
import palm.metric
import palm.paradigm
import palm.reader  # noqa: F401 (importing the packages registers the built-in components)
from palm.backbone.base import BACKBONES
from palm.config.methods import METHODS, registered_methods
from palm.metric.base import METRICS
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.registry import Registry
from palm.schema.facts import keys_where
from palm.schema.fields import BackboneFields, ParadigmFields, ReaderFields, Schema
from palm.schema.run_settings import RunSettings, TaskLists
from palm.schema.settings import TaskSettings, TrainSettings
from palm.tracking import TRACKERS


def registries() -> tuple[Registry[Any], ...]:
    """The registries of all kinds of components."""
    methods = (registry for choice in METHODS.values() for registry in choice)
    return (READERS, BACKBONES, PARADIGMS, METRICS, TRACKERS, *methods)


def run_schemas() -> list[type[Schema]]:
    """Schemas with keys of the whole run, except the backbone's."""
    return [RunSettings, TaskLists, TrainSettings, *(method.schema for method in registered_methods())]


@dataclass(frozen=True)
class TaskSchemas:
    """The classes of a task's keys; None if a name is unknown."""

    reader: type[ReaderFields] | None
    paradigm: type[ParadigmFields] | None

    @property
    def complete(self) -> bool:
        """Whether all of the task's keys are known."""
        return self.reader is not None and self.paradigm is not None

    def keys(self) -> set[str]:
        """Every key that the task may have."""
        return {key for schema in (TaskSettings, self.reader, self.paradigm) if schema for key in schema.model_fields}


def all_schemas() -> Iterator[tuple[str, type[Schema]]]:
    """Owner and schema of everything that declares keys, including registered components."""
    yield "run", RunSettings
    yield "run, one value per task", TaskLists
    yield "training", TrainSettings
    yield "task", TaskSettings
    yield from ((method.owner, method.schema) for method in registered_methods())
    yield from ((f"backbone {name}", BACKBONES[name].Config) for name in BACKBONES)
    yield from ((f"reader {name}", READERS[name].Config) for name in READERS)
    yield from ((f"paradigm {name}", PARADIGMS[name].Config) for name in PARADIGMS)


def keys_everywhere(**facts: object) -> set[str]:
    """The keys with these facts in every schema that declares them."""
    having: set[str] = set()
    others: set[str] = set()
    for _, schema in all_schemas():
        found = keys_where(schema.model_fields, **facts)
        having.update(found)
        others.update(schema.model_fields.keys() - found)
    return having - others


def flag_keys() -> set[str]:
    """Boolean keys, which need no value on the command line."""
    fields = [field for _, schema in all_schemas() for field in schema.model_fields.items()]
    return {key for key, field in fields if field.annotation in (bool, bool | None)}


def backbone_schemas(name: str) -> list[type[BackboneFields]]:
    """The backbone's keys; those of all backbones if the name is unknown."""
    return [BACKBONES[name].Config] if name in BACKBONES else [BACKBONES[other].Config for other in BACKBONES]
