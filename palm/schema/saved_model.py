"""What config.json of an inference model says: read, and each part of the type that it should be."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from palm.errors import CheckpointError
from palm.schema.fields import Schema, TagSchemeName
from palm.schema.places import pointer_problem
from palm.schema.validate import shown, validate
from palm.schema.values import Resolved, Setting
from palm.storage.layout import FORMAT_VERSION, PALM_VERSION

_COPY = "Use another copy."
_ADVICE = "Export the model again, or use another copy."
_log = logging.getLogger(__name__)

Fields = TypeVar("Fields", bound=Schema)


def _distinct(labels: list[str]) -> list[str]:
    twice = next((name for name in labels if labels.count(name) > 1), None) if len(set(labels)) < len(labels) else None
    if twice is not None:
        raise ValueError(f"a label name stands for one class, found {shown(twice)} twice")
    return labels


class _Saved(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", protected_namespaces=(), defer_build=True)


class SavedComponent(_Saved):
    """A reader, backbone or paradigm: the name that it is registered under, and its keys."""

    name: str
    config: dict[str, Any]


class SavedTokenizer(_Saved):
    """The main file of a model's tokenizer."""

    name: str
    sha256: str


class SavedModel(_Saved):
    """One task's model, without its weights."""

    format_version: int = Field(ge=1)
    palm_version: str = ""
    task: str
    settings: dict[str, Any]
    reader: SavedComponent
    backbone: SavedComponent
    paradigm: SavedComponent
    labels: Annotated[list[str], AfterValidator(_distinct)] | None
    tag_scheme: TagSchemeName | None = None
    splits_text: bool = False
    tokenizer: SavedTokenizer | None = None
    encoder: str | None = None
    amp: Literal["off", "bf16"] = "off"


def read_json_object(file: Path) -> dict[str, Any]:
    """The content of a JSON file that holds an object.

    Raises:
        CheckpointError: The file cannot be read, or holds something else.
    """
    pointer = pointer_problem(file)
    if pointer is not None:
        raise CheckpointError(f"{file}: {pointer}")
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair could not be written or printed again
    except RecursionError:  # nested a thousand levels deep
        raise CheckpointError(f"{file}: a JSON object is expected. Found one nested too deeply. {_COPY}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file}: a JSON object is expected. Found: {_short(error)}. {_COPY}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file}: a JSON object is expected. Found {shown(content)}. {_COPY}")
    return content


def read_saved_model(file: Path) -> SavedModel:
    """The description of an inference model.

    Raises:
        CheckpointError: It cannot be read, is of a later format version, or a part of it is missing or of another type.
    """
    content = read_json_object(file)
    _refuse_later_version(file, content)
    try:
        return SavedModel.model_validate(content)
    except ValidationError as error:
        problems = [f"{file}: {_problem(details)}" for details in error.errors(include_url=False)]
        raise CheckpointError("\n".join([*problems[:-1], f"{problems[-1]} {_ADVICE}"])) from error


def validate_keys(schema: type[Fields], keys: Mapping[str, Any], *, file: Path, part: str) -> Fields:
    """The keys as strictly as in a configuration; those that the schema does not know are named and passed over.

    Args:
        schema: The keys and their types.
        keys: What the file says.
        file: The file, for messages.
        part: Where in it.

    Raises:
        CheckpointError: Everything that is wrong with them.
    """
    values = {key: Resolved(Setting(key, value, f"{file}: {part}.{key}")) for key, value in keys.items()}
    made, problems = validate(schema, values, owner=f"an inference model's `{part}`", home=str(file))
    if made is None:
        raise CheckpointError("\n".join(map(str, problems)))
    unknown = [key for key in keys if key not in schema.model_fields]
    if unknown:
        _log.warning("%s: `%s` has no key %s; it is ignored.", file, part, shown(unknown[0]))
    return made


def _refuse_later_version(file: Path, content: Mapping[str, Any]) -> None:
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        known = f"this PALM {PALM_VERSION} reads versions 1 to {FORMAT_VERSION}"
        raise CheckpointError(f"{file}: format version {shown(version)}; {known}. Use a newer PALM.")


def _problem(details: ErrorDetails) -> str:
    place = ".".join(str(part) for part in details["loc"])
    if details["type"] == "missing":
        return f"`{place}` is missing."
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    found = "" if details["type"] == "value_error" else f" Found {shown(details['input'])}."
    return f"`{place}`: {message}.{found}"


def _short(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text if len(text) <= 200 else f"{text[:200]}…"
