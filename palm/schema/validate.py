"""Validates values against a schema; messages give the place, the rule, what was found, and what to do."""

import re
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from palm.errors import ConfigError, Problem
from palm.registry import did_you_mean
from palm.schema.fields import Schema
from palm.schema.values import Resolved, Setting

SchemaT = TypeVar("SchemaT", bound=Schema)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_LISTS = {int: "whole numbers", float: "numbers", bool: "1 or 0", str: "names"}
_LIMITS = ((Ge, "ge", "at least"), (Gt, "gt", "above"), (Le, "le", "at most"), (Lt, "lt", "below"))


def validate(
    schema: type[SchemaT], values: Mapping[str, Resolved], *, owner: str, home: str
) -> tuple[SchemaT | None, list[Problem]]:
    """An instance of `schema` from those of `values` that it declares, or their problems.

    Args:
        schema: The keys and their types.
        values: Merged values; other keys are ignored.
        owner: Owner of the keys, for messages: "reader cls".
        home: Where a missing key should be written.

    """
    mine = {key: values[key].setting.value for key in schema.model_fields if key in values}
    try:
        return schema.model_validate(mine), []
    except ValidationError as error:
        return None, [_problem(schema, values, details, owner, home) for details in _one_per_key(error)]


def type_name(annotation: Any) -> str:  # noqa: ANN401 (any type annotation)
    """`int | None` → "a whole number"; `list[float]` → "a list of numbers"."""
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(type_name(part) for part in get_args(annotation) if part is not type(None))
    if hasattr(annotation, "__metadata__"):
        return type_name(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        return f"a list of {_LISTS.get(_bare(get_args(annotation)[0]), 'values')}"
    if get_origin(annotation) is dict:
        return f"a mapping of names to {_LISTS.get(_bare(get_args(annotation)[1]), 'values')}"
    return _KINDS.get(annotation, "a value")


def _bare(annotation: Any) -> Any:  # noqa: ANN401 (any type annotation)
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def rule(field: FieldInfo) -> str:
    """What a value of `field` must be: "a whole number, at least 1"."""
    marks = [*field.metadata]
    for part in get_args(field.annotation):
        marks += getattr(part, "__metadata__", ())
    limits = [
        f"{word} {getattr(mark, name):g}" for mark in marks for kind, name, word in _LIMITS if isinstance(mark, kind)
    ]
    return ", ".join([type_name(field.annotation), *limits])


def shown(value: object) -> str:
    """A value in the format of messages."""
    text = "nothing" if value is None else f"`{value}`"
    return text if len(text) <= 80 else f"{text[:76]}…`"


def _one_per_key(error: ValidationError) -> list[ErrorDetails]:
    """The first error of each key: pydantic reports one for each element or member of a union."""
    first: dict[object, ErrorDetails] = {}
    for details in error.errors(include_url=False):
        first.setdefault(details["loc"][0] if details["loc"] else len(first), details)
    return list(first.values())


def _problem(
    schema: type[Schema], values: Mapping[str, Resolved], details: ErrorDetails, owner: str, home: str
) -> Problem:
    if not details["loc"]:
        return _rule_over_keys(schema, values, details["msg"].removeprefix("Value error, "), owner=owner, home=home)
    key = str(details["loc"][0])
    field = schema.model_fields[key]
    if key not in values:
        return Problem(home, f"{owner} needs `{key}`. Found nothing. Add it: {field.description}")
    setting = values[key].setting
    own = details["type"] == "value_error" and "a number is expected" not in details["msg"]
    must = details["msg"].removeprefix("Value error, ").rstrip(".") if own else f"{setting.name} is {rule(field)}"
    found = "" if own and "found" in must else f" Found {shown(setting.value)}."
    return Problem(setting.where, f"{must}.{found} Meaning: {field.description}")


def _rule_over_keys(
    schema: type[Schema], values: Mapping[str, Resolved], message: str, *, owner: str, home: str
) -> Problem:
    """A problem that concerns several keys, at the place of the first written one that it names."""
    named = [values[key].setting for key in schema.model_fields if key in values and re.search(rf"\b{key}\b", message)]
    where = named[0].where if named else home
    if "ound" in message or not named:
        return Problem(where, f"{owner}: {message}")
    found = ", ".join(f"`{setting.name}: {shown(setting.value).strip('`')}`" for setting in named)
    return Problem(where, f"{owner}: {message.rstrip('.')}. Found {found}. Change one of them.")


def from_keywords(
    schema: type[SchemaT], values: Mapping[str, Any], *, owner: str, written: Mapping[str, str] | None = None
) -> SchemaT:
    """An instance of `schema` from the keywords of a call.

    Args:
        schema: The keys and their types.
        values: The keywords, under the keys' own names.
        owner: Name of the called object, for messages: `palm.reader.ClassifyReader`.
        written: Key → the caller's keyword, if different.

    Raises:
        ConfigError: All their problems.

    """
    called = written or {}
    settings = {key: Resolved(Setting(key, value, owner, written=called.get(key, ""))) for key, value in values.items()}
    made, problems = validate(schema, settings, owner=owner, home=owner)
    problems += unknown_keywords(values, list(schema.model_fields), owner=owner)
    if made is None or problems:
        raise ConfigError(problems)
    return made


def unknown_keywords(values: Mapping[str, Any], known: list[str], *, owner: str) -> list[Problem]:
    """A problem for each keyword of a call that is not among the `known` ones."""
    problems = []
    for key in values:
        if key not in known:
            rule = f"there is no keyword `{key}`. Found it with {shown(values[key])}."
            problems.append(Problem(owner, f"{rule}{did_you_mean(key, known)} Known: {', '.join(known)}."))
    return problems
