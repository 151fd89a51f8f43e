"""Finds keys that nothing in the run reads, and suggests corrections."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from palm.config.components import TaskSchemas, all_schemas, backbone_schemas, run_schemas
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


FORMER_KEYS = {
    "do_predict": "`palm train` trains, `palm pred` predicts: remove it.",
    "do_train": "`palm train` trains, `palm pred` predicts: remove it.",
    "in_tokens": "Write `max_tokens: <subword tokens>` instead.",
    "is_first_target": "The first target in task_instance is the main task: list that task first.",
    "label_map_config": "The tags are those of train_file: remove it.",
    "remove_noanswer": "Write `on_bad_answer: drop` instead.",
    "reuse_head_with": "Write `share_head_with: <task>` instead.",
    "reuse_tag": "Write `task_reuse_tag` instead.",
    "shuffle_buffer": "All training examples are shuffled: remove it, or write `shuffle: false`.",
    "task_reuse_scope": "Write `share_head_with: <task>` instead, or `task_reuse_tag` in the global file.",
    "use_crf": "Write `head: crf` instead.",
    "verbose": "Remove it.",
    "with_slide_window": "A long context is always cut into windows, doc_stride apart: remove it.",
}
"""Key of PaddlePALM that nothing reads any more → what to write instead."""


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


def _unread(setting: Setting, known: Iterable[str]) -> str:
    if setting.key in FORMER_KEYS:
        found = f"Found `{setting.name}`, a key of PaddlePALM, with {shown(setting.value)}."
        return f"a key is one that this version reads. {found} {FORMER_KEYS[setting.key]}"
    owners = [owner for owner, schema in all_schemas() if setting.key in schema.model_fields]
    if owners:
        hint = f" It is a key of {', '.join(owners)}, which the run does not use here."
    else:
        hint = did_you_mean(setting.name, [*known, *(alias for alias, key in ALIASES.items() if key in set(known))])
    return (
        f"nothing in this run reads `{setting.name}`. Found it with {shown(setting.value)}.{hint} Correct or remove it."
    )
