"""Finds keys that nothing in the run reads, and suggests corrections."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from palm.config.components import TaskSchemas, all_schemas, backbone_schemas, run_schemas
from palm.config.foreign_keys import FOREIGN_KEYS, FORMER_KEYS
from palm.config.merge import Merged
from palm.config.typed import TypedConfig
from palm.errors import Problem
from palm.registry import did_you_mean
from palm.schema.validate import shown
from palm.schema.values import ALIASES, Layer, Setting

_OF_ONE_TASK = {
    "target_tag": "Write `target: true` or `target: false` here.",
    "task_reuse_tag": "Write `share_head_with: <task>` here.",
}


def unread_keys(config: TypedConfig) -> Iterator[Problem]:
    """Every written key is read, in this stage or, for keys of all stages, in another one."""
    if config.merged is None:
        return
    sources, known = config.merged.sources, known_keys(config.merged)
    for flat in (sources.flags.flat, sources.main.flat):
        shared = {key: setting for key, setting in flat.items() if key in sources.shared}
        yield from known.unread_global(shared, config.elsewhere)
        yield from known.unread_global({key: setting for key, setting in flat.items() if key not in shared})
    for name in sources.names:
        for layer in (sources.flags.tasks, sources.main.tasks, sources.files):
            yield from known.unread_of_task(name, layer.get(name, {}))


def known_keys(merged: Merged) -> "KnownKeys":
    """The keys that the run or the stage reads."""
    schemas = (*run_schemas(), *backbone_schemas(merged.backbone_name))
    return KnownKeys(frozenset(key for schema in schemas for key in schema.model_fields), merged.schemas)


@dataclass(frozen=True)
class KnownKeys:
    """The keys that the run reads.

    Attributes:
        run: Keys of the whole run, including the backbone.
        tasks: The classes of each task's keys.

    """

    run: frozenset[str]
    tasks: Mapping[str, TaskSchemas]

    @property
    def complete(self) -> bool:
        """Whether every component is known, so that an undeclared key is certainly unread."""
        return all(schemas.complete for schemas in self.tasks.values())

    def broadcast(self) -> set[str]:
        """Keys that are valid for the whole run: its own and those of any task."""
        return set(self.run).union(*(schemas.keys() for schemas in self.tasks.values()))

    def unread_global(self, layer: Layer, elsewhere: Collection[str] = ()) -> list[Problem]:
        """Problems of a global layer; `elsewhere` are keys that other stages read."""
        known = self.broadcast().union(elsewhere)
        if not self.complete:
            known |= {key for _, schema in all_schemas() for key in schema.model_fields}
        return [Problem(setting.where, _unread(setting, known)) for key, setting in layer.items() if key not in known]

    def unread_of_task(self, name: str, layer: Layer) -> list[Problem]:
        """Problems of a layer with only keys of task `name`."""
        schemas = self.tasks[name]
        known = schemas.keys()
        if not schemas.complete:  # such as after a misspelt `paradigm`
            known |= {key for _, schema in all_schemas() for key in schema.model_fields}
        return [
            Problem(setting.where, self._misplaced(setting, name) if key in self.run else _unread(setting, known))
            for key, setting in layer.items()
            if key not in known
        ]

    def _misplaced(self, setting: Setting, name: str) -> str:
        advice = _OF_ONE_TASK.get(setting.key, f"Move it to the global file, or remove it from `{name}`.")
        rule = f"`{setting.name}` belongs to the whole run, in the global file."
        return f"{rule} Found it among the keys of task `{name}`. {advice}"


def _unread(setting: Setting, known: Collection[str]) -> str:
    if setting.key in FORMER_KEYS:
        found = f"Found `{setting.name}`, a key of PaddlePALM, with {shown(setting.value)}."
        return f"a key is one that this version reads. {found} {FORMER_KEYS[setting.key]}"
    if setting.key in FOREIGN_KEYS and setting.key not in known:
        rule = f"nothing in this run reads `{setting.name}`, a key of other programs."
        return f"{rule} Found it with {shown(setting.value)}. {FOREIGN_KEYS[setting.key]}"
    owners = [owner for owner, schema in all_schemas() if setting.key in schema.model_fields]
    if owners:
        hint = f" It is a key of {', '.join(owners)}, which the run does not use here."
    else:
        hint = did_you_mean(setting.name, [*known, *(alias for alias, key in ALIASES.items() if key in set(known))])
    return (
        f"nothing in this run reads `{setting.name}`. Found it with {shown(setting.value)}.{hint} Correct or remove it."
    )
