"""The resolved values of a run: as plain data to save, and as rows with their sources."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticUndefined

from palm.backbone.base import BACKBONES
from palm.config.components import all_schemas, run_schemas
from palm.config.methods import METHODS
from palm.locale.current import translated
from palm.locale.width import wrapped
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.schema.facts import Effect, facts_of
from palm.schema.fields import Schema
from palm.schema.settings import TaskSettings
from palm.schema.validate import rule
from palm.schema.values import ALIAS_VALUES, ALIASES, Resolved

DEFAULT = "default"


@dataclass(frozen=True)
class ExplainRow:
    """One value of a run.

    Attributes:
        key: The key, `tasks.<name>.<key>` for a task's.
        value: The effective value.
        where: Its source, or `default`.
        overridden: Overridden values, each with its source; empty if there are none.

    """

    key: str
    value: object
    where: str
    overridden: str = ""


def plain_keys(schemas: Sequence[Schema]) -> dict[str, object]:
    """Keys and values of `schemas` as plain data."""
    return {key: value for schema in schemas for key, value in schema.model_dump(mode="json").items()}


def resolved_mapping(run: Sequence[Schema], tasks: Mapping[str, Sequence[Schema]]) -> dict[str, Any]:
    """Plain data that reproduces the run when written as YAML: every key of every task is explicit."""
    return {**plain_keys(run), "tasks": {name: plain_keys(schemas) for name, schemas in tasks.items()}}


def explain_rows(
    values: Mapping[str, object], sources: Mapping[str, Resolved], prefix: str = ""
) -> Iterator[ExplainRow]:
    """A row for each of `values`, with its place from `sources`."""
    for key, value in values.items():
        source = sources.get(key)
        if source is None:
            yield ExplainRow(prefix + key, value, DEFAULT)
        else:
            overridden = ", ".join(f"`{setting.value}` ({setting.where})" for setting in source.overridden)
            yield ExplainRow(prefix + key, value, source.setting.where, overridden)


DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WORDS_FOR_FLAGS = ["yes", "no", "on", "off", 0, 1]


@dataclass(frozen=True)
class KeyRow:
    """One key.

    Attributes:
        key: Its own name.
        type: Type of its values: "a whole number, at least 1".
        default: The default as text, or `required`.
        description: Its meaning.
        owners: Its readers: run, training, task, `reader mrc`, …
        aliases: Its other names.
        on_resume: What another value affects in a resumed run: `nothing`, `metrics` or `result`.

    """

    key: str
    type: str
    default: str
    description: str
    owners: tuple[str, ...]
    aliases: tuple[str, ...]
    on_resume: Effect


def describe_keys() -> list[KeyRow]:
    """Every key that PALM and the registered components know, by name; two types or defaults make two rows."""
    owners: dict[tuple[str, str, str], list[str]] = {}
    meaning: dict[tuple[str, str, str], tuple[str, Effect]] = {}
    for owner, schema in all_schemas():
        for key, field in schema.model_fields.items():
            default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
            with_tasks = facts_of(field).with_tasks
            default += "" if with_tasks is None else f"; {_default(with_tasks)} with `tasks:`"
            row = (key, rule(field), default)
            owners.setdefault(row, []).append(owner)
            meaning.setdefault(row, (field.description or "", facts_of(field).resume))
    aliases = {key: tuple(alias for alias, own in ALIASES.items() if own == key) for key, *_ in owners}
    return [
        KeyRow(*row, meaning[row][0], tuple(names), aliases[row[0]], meaning[row][1])
        for row, names in sorted(owners.items())
    ]


def _alias_name(alias: str) -> str:
    values = ALIAS_VALUES.get(alias)
    return f"`{alias}`" if values is None else f"`{alias}` (true is `{values[True]}`, false `{values[False]}`)"


def keys_as_markdown() -> str:
    """The rows of `describe_keys` as a Markdown table."""
    lines = ["| key | type | default | meaning | read by | on resume |", "|---|---|---|---|---|---|"]
    for row in describe_keys():
        also = f" Also: {', '.join(map(_alias_name, row.aliases))}." if row.aliases else ""
        meaning = translated(row.description + also)
        cells = (f"`{row.key}`", row.type, row.default, meaning, ", ".join(row.owners), row.on_resume)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def keys_as_help(script: str) -> str:
    """What `python run.py --help` says of the flags that a script around a Controller obeys.

    Args:
        script: The script's name.
    """
    lines = [
        f"{translated('usage:')} {script} "
        "[--KEY VALUE ...] [--tasks.TASK.KEY VALUE ...] [--stages.STAGE.KEY VALUE ...]",
        "",
        *_wrapped(
            "Any key of the configuration may be given as a flag, which wins over the files. A key that is true or "
            "false needs no value. Keys and defaults:",
        ),
        "",
    ]
    for row in describe_keys():
        names = ", ".join(f"--{name}" for name in (row.key, *row.aliases))
        lines += [f"  {names}", *_indented(f"{row.type}; {_shown_default(row.default)}. {row.description}")]
    return "\n".join(lines)


def _shown_default(default: str) -> str:
    return default if default in ("required", "unset") else f"default {default}"


def _indented(text: str) -> list[str]:
    return [f"      {line}" for line in _wrapped(text, width=94)]


def _wrapped(text: str, width: int = 114) -> list[str]:
    """`text` in the language of the user, in lines."""
    return wrapped(translated(text), width)


def global_json_schema() -> dict[str, object]:
    """JSON schema of the global file; `$defs.task` describes each value of `tasks`."""
    schemas = [*run_schemas(), *(BACKBONES[name].Config for name in BACKBONES), *_task_schemas()]
    properties = _properties(schemas)
    properties["tasks"] = {
        "description": "Keys of each task by its name, instead of or in addition to task files.",
        "type": "object",
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/task"}, {"type": "null"}]},
    }
    stage = {"type": "object", "properties": {**properties}, "additionalProperties": False}
    properties["stages"] = {
        "description": "Keys of each stage by its name: consecutive runs, each starting from the encoder of the "
        "previous one.",
        "type": "object",
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/stage"}, {"type": "null"}]},
    }
    properties["search"] = {
        "description": "Keys and the values that `palm tune` tries: `learning_rate: [1e-5, 5e-4, log]`, "
        "`batch_size: {choices: [16, 32]}`.",
        "type": "object",
        "additionalProperties": {"type": ["array", "object"]},
    }
    return {
        "$schema": DIALECT,
        "title": "PALM, global file",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": {"task": _task_object(), "stage": stage},
    }


def task_json_schema() -> dict[str, object]:
    """JSON schema of a task file."""
    return {"$schema": DIALECT, "title": "PALM, task file", **_task_object()}


def _task_schemas() -> list[type[Schema]]:
    readers = [READERS[name].Config for name in READERS]
    paradigms = [PARADIGMS[name].Config for name in PARADIGMS]
    return [TaskSettings, *readers, *paradigms]


def _task_object() -> dict[str, object]:
    return {"type": "object", "properties": _properties(_task_schemas()), "additionalProperties": False}


def _properties(schemas: Iterable[type[Schema]]) -> dict[str, object]:
    """Properties of all `schemas`, including aliases; the first schema that declares a key describes it."""
    properties: dict[str, object] = {}
    for schema in schemas:
        for key, value in schema.model_json_schema()["properties"].items():
            properties.setdefault(key, _as_written(value))
    properties |= _names(properties)
    known = {alias: key for alias, key in ALIASES.items() if key in properties}
    return properties | {alias: _alias(alias, key, properties) for alias, key in known.items()}


def _alias(alias: str, key: str, properties: Mapping[str, object]) -> dict[str, object]:
    values = ALIAS_VALUES.get(alias)
    if values is None:
        return {**_mapping(properties[key]), "description": f"Another name of {key}."}
    said = f"`true` is `{key}: {values[True]}`, `false` is `{key}: {values[False]}`."
    return {**_as_written({"type": "boolean"}), "description": said}


def _names(properties: Mapping[str, object]) -> dict[str, object]:
    registered = {"reader": list(READERS), "paradigm": list(PARADIGMS), "backbone": list(BACKBONES)}
    registered |= {choice: [name for each in registries for name in each] for choice, registries in METHODS.items()}
    return {
        key: {**_mapping(properties[key]), "examples": names} for key, names in registered.items() if key in properties
    }


def _as_written(value: Mapping[str, object]) -> dict[str, object]:
    """Relax pydantic's schema to the permitted YAML: `1,0` for a list, `no` for a flag, a number for text."""
    schema = {key: part for key, part in value.items() if key != "title"}
    choices = schema.get("anyOf")
    if isinstance(choices, list):
        return {**schema, "anyOf": [_as_written(part) for part in choices]}
    about: dict[str, object] = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    if schema.get("type") == "array":
        schema["items"] = _as_written(_mapping(schema.get("items", {})))
        return {**about, "anyOf": [schema, {"type": ["string", "number", "boolean"]}]}
    if schema.get("type") == "object":
        return {**about, "anyOf": [schema, {"type": "string"}]}
    if schema.get("type") == "boolean":
        return {**about, "anyOf": [schema, {"enum": _WORDS_FOR_FLAGS}]}
    if schema.get("type") == "string" and "enum" not in schema:
        return {**about, "type": ["string", "number"]}
    return {**about, **schema}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _default(value: object) -> str:
    if value is None or value is PydanticUndefined:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) if value not in ([], {}) else "empty"
