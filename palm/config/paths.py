"""Where input files are: looked up from the current directory, then from the folder of the file that names them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from palm.errors import Problem
from palm.schema.fields import InputFile, Schema
from palm.schema.places import find_input, not_found
from palm.schema.values import Resolved
from palm.spec import Phase

_SPECIAL = ("the device, pipe or socket", "Write what it gives into a file: it is read more than once.")


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
    """The input paths among `values`, replaced by where they are; a missing one that `phase` needs is a problem."""
    found, problems = {}, []
    for key, mark in {key: mark for schema in schemas for key, mark in input_files(schema).items()}.items():
        if key not in values or not isinstance(values[key].setting.value, str):
            continue
        setting = values[key].setting
        value = str(setting.value)
        place = find_input(value, setting.folder)
        if place is not None and (place.is_file() or mark.folder):
            found[key] = replace(values[key], setting=replace(setting, value=str(place)))
        elif place is not None:
            found_there, advice = ("the folder", "Name a file in it.") if place.is_dir() else _SPECIAL
            rule = f"{setting.name} names a file. Found {found_there} `{place}`. {advice}"
            problems.append(Problem(setting.where, rule))
        elif mark.needed_for == phase:
            problems.append(Problem(setting.where, not_found(setting.name, value, setting.folder)))
    return found, problems


def _nested(annotation: Any) -> Iterator[object]:  # noqa: ANN401 (any type annotation)
    for inner in get_args(annotation):
        yield from getattr(inner, "__metadata__", ())
