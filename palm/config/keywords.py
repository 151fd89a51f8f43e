"""Checks the keywords of a call against a schema, as those of a file are checked."""

from collections.abc import Mapping
from typing import Any

from palm.config.layer import Resolved, Setting
from palm.config.messages import SchemaT, shown, validate
from palm.errors import ConfigError, Problem
from palm.registry import did_you_mean


def from_keywords(
    schema: type[SchemaT], values: Mapping[str, Any], *, owner: str, written: Mapping[str, str] | None = None
) -> SchemaT:
    """An instance of `schema` from the keywords of a call.

    Args:
        schema: The keys and their types.
        values: The keywords, under the keys' own names.
        owner: What was called, for messages: `palm.reader.ClassifyReader`.
        written: Key → the keyword that the caller wrote, where it is another one.

    Raises:
        ConfigError: Everything that is wrong with them.

    """
    called = written or {}
    settings = {key: Resolved(Setting(key, value, owner, written=called.get(key, ""))) for key, value in values.items()}
    made, problems = validate(schema, settings, owner=owner, home=owner)
    known = list(schema.model_fields)
    for key in values:
        if key not in known:
            hint = did_you_mean(key, known)
            rule = f"there is no keyword `{key}`. Found it with {shown(values[key])}."
            problems.append(Problem(owner, f"{rule}{hint} Known: {', '.join(known)}."))
    if made is None or problems:
        raise ConfigError(problems)
    return made
