"""Finds keys that nothing in the run reads, and says where they belong."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from palm.config.components import TaskSchemas, all_schemas, run_schemas
from palm.errors import Problem
from palm.registry import did_you_mean
from palm.schema.fields import BackboneFields
from palm.schema.validate import shown
from palm.schema.values import ALIASES, Layer, Setting

_OF_ONE_TASK = {
    "target_tag": "Write `target: true` or `target: false` here.",
    "task_reuse_tag": "Write `share_head_with: <task>` here.",
}
_LEAST_LIKENESS = 0.8


@dataclass(frozen=True)
class KnownKeys:
    """What the run reads.

    Attributes:
        run: Keys of the whole run, backbone included.
        tasks: The classes of each task's keys.

    """

    run: frozenset[str]
    tasks: Mapping[str, TaskSchemas]

    @classmethod
    def of(cls, backbones: Iterable[type[BackboneFields]], tasks: Mapping[str, TaskSchemas]) -> "KnownKeys":
        """The keys of a run with one of `backbones` and the tasks `tasks`."""
        return cls(frozenset(key for schema in (*run_schemas(), *backbones) for key in schema.model_fields), tasks)

    @property
    def complete(self) -> bool:
        """Whether every component is known, so that a key nobody declares is surely unread."""
        return all(schemas.complete for schemas in self.tasks.values())

    def broadcast(self) -> set[str]:
        """Keys that make sense for the whole run: its own and those of any task."""
        return set(self.run).union(*(schemas.keys() for schemas in self.tasks.values()))

    def unread_global(self, layer: Layer, elsewhere: Collection[str] = ()) -> list[Problem]:
        """Problems of a global layer; `elsewhere` are keys that other stages read."""
        known = self.broadcast().union(elsewhere)
        if not self.complete:
            known |= {key for _, schema in all_schemas() for key in schema.model_fields}
        return [Problem(setting.where, _unread(setting, known)) for key, setting in layer.items() if key not in known]

    def unread_of_task(self, name: str, layer: Layer) -> list[Problem]:
        """Problems of a layer that holds keys of task `name` alone."""
        schemas = self.tasks[name]
        if not schemas.complete:
            return []
        known = schemas.keys()
        return [
            Problem(setting.where, self._misplaced(setting, name) if key in self.run else _unread(setting, known))
            for key, setting in layer.items()
            if key not in known
        ]

    def _misplaced(self, setting: Setting, name: str) -> str:
        advice = _OF_ONE_TASK.get(setting.key, f"Move it to the global file, or remove it from `{name}`.")
        rule = f"`{setting.name}` belongs to the whole run, in the global file."
        return f"{rule} Found it among the keys of task `{name}`. {advice}"


def near_misses(layer: Layer, schema: type[BackboneFields], known: Iterable[str]) -> list[Problem]:
    """Foreign keys of a backbone's JSON that look like a key which is missing; other foreign keys are welcome."""
    missing = [key for key in schema.model_fields if key not in set(known)]
    problems = []
    for key, setting in layer.items():
        hint = did_you_mean(key, missing) if key not in schema.model_fields else ""
        if hint and _likeness(key, hint.split("`")[1]) >= _LEAST_LIKENESS:
            rule = f"the backbone has no key `{setting.name}`."
            problems.append(Problem(setting.where, f"{rule} Found it with {shown(setting.value)}.{hint}"))
    return problems


def _likeness(word: str, other: str) -> float:
    return SequenceMatcher(None, word, other).ratio()


def _unread(setting: Setting, known: Iterable[str]) -> str:
    owners = [owner for owner, schema in all_schemas() if setting.key in schema.model_fields]
    if owners:
        hint = f" It is a key of {', '.join(owners)}, which the run does not use here."
    else:
        hint = did_you_mean(setting.name, [*known, *(alias for alias, key in ALIASES.items() if key in set(known))])
    return (
        f"nothing in this run reads `{setting.name}`. Found it with {shown(setting.value)}.{hint} Correct or remove it."
    )
