"""What config.json of an inference model says, of one task or of a run: read, and each part of its own type."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from palm.errors import CheckpointError
from palm.schema.fields import Schema, TagSchemeName
from palm.schema.places import pointer_problem
from palm.schema.validate import shown, validate
from palm.schema.values import Resolved, Setting
from palm.storage.layout import CONFIG_FILE, FORMAT_VERSION, INFERENCE_FOLDER, MANIFEST_FILE, PALM_VERSION

SINGLE_HEAD = "head"
"""Key of the head in the model of a single task."""

_COPY = "Use another copy."
_ADVICE = "Export the model again, or use another copy."
_log = logging.getLogger(__name__)

LONGEST_NAME = 200
"""Bytes of a task's name."""

Fields = TypeVar("Fields", bound=Schema)
Saved = TypeVar("Saved", bound=BaseModel)


def _distinct(labels: list[str]) -> list[str]:
    twice = next((name for name in labels if labels.count(name) > 1), None) if len(set(labels)) < len(labels) else None
    if twice is not None:
        raise ValueError(f"a label name stands for one class, found {shown(twice)} twice")
    return labels


def _a_list_per_label(words: list[list[str]] | None, info: ValidationInfo) -> list[list[str]] | None:
    labels = info.data.get("labels")
    if words is not None and (labels is None or len(words) != len(labels) or not all(words)):
        raise ValueError(f"each label has one word or more, found {shown(words)}")
    return words


_LabelWords = Annotated[list[list[str]] | None, AfterValidator(_a_list_per_label)]


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


class SavedCalibration(_Saved):
    """The temperature of a head, fitted by `palm calibrate`. `before` is at temperature 1.

    Attributes:
        temperature: What scores are divided by before they become probabilities.
        unit: What has a probability each: `row`, `word`, `label` or `question`.
        count: How many of them it was fitted to.
        data: Their file, without its folder.
        nll_before: Mean negative log likelihood.
        nll_after: The same with the temperature.
        ece_before: Expected calibration error.
        ece_after: The same with the temperature.
    """

    temperature: float = Field(gt=0, allow_inf_nan=False)
    unit: str = "row"
    count: int = Field(0, ge=0)
    data: str = ""
    nll_before: float | None = None
    nll_after: float | None = None
    ece_before: float | None = None
    ece_after: float | None = None


def _plain_head(head: str) -> str:
    if not head or "." in head:
        raise ValueError(f"a head's key names its parameters, so it is not empty and has no dot, found {shown(head)}")
    return head


class SavedTask(_Saved):
    """A task of a model.

    Attributes:
        name: The task's name.
        head: Key of its head: its weights are `heads.<head>.*`; tasks that share a head have the same key.
        settings: Its keys that belong to neither reader nor paradigm.
        reader: The reader.
        paradigm: The paradigm.
        labels: Label names by id; None for a reader without labels.
        tag_scheme: How tags make spans.
        splits_text: Whether words are characters.
        label_words: The words of each label in a prompt.
        relations: Names of the relations between spans, by id.
        tokenizer: Its own tokenizer, if it is another one than the model's.
        metrics: Its dev metrics for these weights, as fractions of 1, if it was evaluated.
        data: What it was trained on, as in data.json of a checkpoint.
        calibration: The temperature of its probabilities, if `palm calibrate` has stored one.
    """

    name: str
    head: Annotated[str, AfterValidator(_plain_head)] = SINGLE_HEAD
    settings: dict[str, Any]
    reader: SavedComponent
    paradigm: SavedComponent
    labels: Annotated[list[str], AfterValidator(_distinct)] | None
    tag_scheme: TagSchemeName | None = None
    splits_text: bool = False
    label_words: _LabelWords = None
    relations: Annotated[list[str], AfterValidator(_distinct)] = Field(default_factory=list)
    tokenizer: SavedTokenizer | None = None
    metrics: dict[str, float] | None = None
    data: dict[str, Any] | None = None
    calibration: SavedCalibration | None = None


class SavedRun(_Saved):
    """A model of one encoder and the heads of one or several tasks, without its weights.

    Attributes:
        format_version: Version of the format.
        palm_version: PALM that wrote it.
        backbone: The encoder.
        tasks: Its tasks by name, in the order of the run.
        tokenizer: Main file of the tokenizer.
        encoder: The pre-trained encoder that the run started from, with its commit.
        amp: The precision that it was trained in.
        global_step: The global step of its weights; None for a single task's export and for a merged model.
        of_run: Whether it is a model of a run, and not the export of a single task.
    """

    format_version: int = Field(ge=1)
    palm_version: str = ""
    backbone: SavedComponent
    tasks: dict[str, SavedTask] = Field(min_length=1)
    tokenizer: SavedTokenizer | None = None
    encoder: str | None = None
    amp: Literal["off", "bf16"] = "off"
    global_step: int | None = Field(None, ge=0)
    of_run: bool = True

    def tokenizer_of(self, task: str) -> SavedTokenizer | None:
        """The main file of the tokenizer of `task`; None where the file does not say (early format versions)."""
        return self.tasks[task].tokenizer or self.tokenizer


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
    label_words: _LabelWords = None
    relations: Annotated[list[str], AfterValidator(_distinct)] = Field(default_factory=list)
    tokenizer: SavedTokenizer | None = None
    encoder: str | None = None
    amp: Literal["off", "bf16"] = "off"
    calibration: SavedCalibration | None = None

    def as_run(self) -> SavedRun:
        """It as a model of a run with this task alone."""
        of_task = {name: getattr(self, name) for name in (*_OF_HEAD, *_OF_LABELS)}
        of_run = {name: getattr(self, name) for name in SavedRun.model_fields if name in SavedModel.model_fields}
        return SavedRun.model_construct(
            **of_run, tasks={self.task: SavedTask.model_construct(name=self.task, **of_task)}, of_run=False
        )


_OF_HEAD = ("settings", "reader", "paradigm", "labels", "calibration")
_OF_LABELS = ("tag_scheme", "splits_text", "label_words", "relations")


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
    return _read(SavedModel, file, _current(file))


def read_saved_run(folder: Path) -> SavedRun:
    """The description of the model in `folder`: of a run, or of one task, which is a run with a single head.

    Raises:
        CheckpointError: It cannot be read, is of a later format version, or a part of it is missing or of another type.
    """
    file = folder / CONFIG_FILE
    content = _current(file)
    if not describes_run(content):
        return _read(SavedModel, file, content).as_run()
    tasks = content["tasks"]
    if isinstance(tasks, dict):
        content["tasks"] = {
            name: {**task, "name": name} if isinstance(task, dict) else task for name, task in tasks.items()
        }
    saved = _read(SavedRun, file, {**content, "of_run": True})
    _refuse_names_that_are_no_files(file, saved)
    return saved


def describes_run(content: Mapping[str, Any]) -> bool:
    """Whether the content of a config.json is that of a run's model, with tasks by name."""
    return "tasks" in content and "format_version" in content


def is_inference_model(place: Path) -> bool:
    """Whether the folder `place` looks like an inference model."""
    return (place / MANIFEST_FILE).is_file() and (place / CONFIG_FILE).is_file()


def model_in(place: Path) -> Path | None:
    """The inference model that the folder `place` is, or that of a task or of a run in it; None for anything else."""
    return next((each for each in (place, place / INFERENCE_FOLDER) if is_inference_model(each)), None)


def holds_run(folder: Path) -> bool:
    """Whether the model in `folder` is one of a run; False if its config.json cannot be read."""
    try:
        return describes_run(read_json_object(folder / CONFIG_FILE))
    except CheckpointError:
        return False


def _current(file: Path) -> dict[str, Any]:
    """The content of a config.json of a format version that this PALM knows."""
    content = read_json_object(file)
    _refuse_later_version(file, content)
    return content


def _read(kind: type[Saved], file: Path, content: Mapping[str, Any]) -> Saved:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = [f"{file}: {_problem(details)}" for details in error.errors(include_url=False)]
        raise CheckpointError("\n".join([*problems[:-1], f"{problems[-1]} {_ADVICE}"])) from error


def _refuse_names_that_are_no_files(file: Path, saved: SavedRun) -> None:
    """Predictions of several tasks go to files of their names, so a name is that of a file in its folder."""
    for name in saved.tasks:
        if not name or name in (".", "..") or set(name) & set("/\\\0") or len(name.encode()) > LONGEST_NAME:
            rule = f"a task's name is that of a file, at most {LONGEST_NAME} bytes without `/`."
            raise CheckpointError(f"{file}: {rule} Found {shown(name)}. {_ADVICE}")


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
