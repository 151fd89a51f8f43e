"""What a run was resolved to: as plain data to be saved, and as rows that say where each value came from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from palm.schema.fields import Schema
from palm.schema.values import Resolved

DEFAULT = "default"


@dataclass(frozen=True)
class ExplainRow:
    """One value of a run.

    Attributes:
        key: The key, `tasks.<name>.<key>` for a task's.
        value: The value that holds.
        where: Where it was written, or `default`.
        hid: Weaker values that it hid, each with its place; empty when there were none.

    """

    key: str
    value: object
    where: str
    hid: str = ""


def plain_keys(schemas: Sequence[Schema]) -> dict[str, object]:
    """Keys and values of `schemas` as plain data."""
    return {key: value for schema in schemas for key, value in schema.model_dump(mode="json").items()}


def resolved_mapping(run: Sequence[Schema], tasks: Mapping[str, Sequence[Schema]]) -> dict[str, object]:
    """Plain data that, written as YAML, gives the same run again: every key of every task is spelt out."""
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
            hid = ", ".join(f"`{setting.value}` ({setting.where})" for setting in source.hid)
            yield ExplainRow(prefix + key, value, source.setting.where, hid)
