"""Where input files are: looked up from the current directory, then from the folder of the file that names them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from palm.errors import Problem
from palm.schema.fields import InputFile, Schema
from palm.schema.places import exists, find_input, not_found
from palm.schema.values import Resolved
from palm.spec import Phase

BACKBONE_FILES = ("config.json", "bert_config.json", "ernie_config.json")
VOCAB_FILE = "vocab.txt"
_FOLDERS_TOO = ("pretrain_model_path", "inference_model_dir")


def input_files(schema: type[Schema]) -> dict[str, InputFile]:
    """The keys of `schema` that name files to read."""
    marks = {}
    for key, field in schema.model_fields.items():
        for mark in (*field.metadata, *_nested(field.annotation)):
            if isinstance(mark, InputFile):
                marks[key] = mark
    return marks


def locate(
    values: Mapping[str, Resolved], schemas: Sequence[type[Schema]], phase: Phase
) -> tuple[dict[str, Resolved], list[Problem]]:
    """Replace the input paths among `values` by where they are; a missing one that `phase` needs is a problem."""
    found, problems = dict(values), []
    for key, mark in {key: mark for schema in schemas for key, mark in input_files(schema).items()}.items():
        if key not in values or not isinstance(values[key].setting.value, str):
            continue
        setting = values[key].setting
        value = str(setting.value)
        place = find_input(value, setting.folder)
        if place is not None and (place.is_file() or key in _FOLDERS_TOO):
            found[key] = replace(values[key], setting=replace(setting, value=str(place)))
        elif place is not None:
            rule = f"{setting.name} names a file. Found the folder `{place}`. Name a file in it."
            problems.append(Problem(setting.where, rule))
        elif mark.needed_for == phase:
            problems.append(Problem(setting.where, not_found(setting.name, value, setting.folder)))
    return found, problems


def beside_weights(weights: Path, names: Sequence[str]) -> Path | None:
    """The first of `names` in the folder of pre-trained weights, or in its parent as PALM's archives lay them."""
    if not exists(weights):
        return None
    folders = (weights, weights.parent) if weights.is_dir() else (weights.parent,)
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def _nested(annotation: Any) -> Iterator[object]:  # noqa: ANN401 (any type annotation)
    for inner in get_args(annotation):
        yield from getattr(inner, "__metadata__", ())
