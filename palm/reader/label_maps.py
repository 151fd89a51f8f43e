"""Reads a label map: which label has which id."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from palm.data.dataset import LabelMap
from palm.errors import DataError, Problem
from palm.reader.files import quoted, read_lines, read_text

LabelMapSource = str | Path | Mapping[str, int] | Sequence[str]
"""A file (a JSON object, label → id; or one label a line), the same as a mapping, or label names in order."""


def read_label_map(source: LabelMapSource) -> LabelMap:
    """The label map that `source` stands for.

    Raises:
        DataError: No such file, ids that are not 0, 1, 2 …, or a label that stands twice.
    """
    if isinstance(source, str | Path):
        return _from_file(Path(source))
    if isinstance(source, Mapping):
        return _from_ids(source, "label_map")
    return _from_names(list(source), "label_map")


def _from_file(file: Path) -> LabelMap:
    if file.suffix != ".json":
        return _from_names([line.strip() for line in read_lines(file)], str(file))
    try:
        found = json.loads(read_text(file))
    except ValueError as error:
        rule = "a label map is a JSON object `{label: id}`, or a list of labels."
        raise DataError(Problem(str(file), f"{rule} Found broken JSON: {error}. Mend it.")) from error
    return _from_names(found, str(file)) if isinstance(found, list) else _from_ids(found, str(file))


def _from_ids(ids: object, where: str) -> LabelMap:
    numbers = list(ids.values()) if isinstance(ids, Mapping) else []
    if not isinstance(ids, Mapping) or sorted(map(str, numbers)) != sorted(map(str, range(len(numbers)))):
        rule = "the ids of a label map are 0, 1, 2 … without a gap."
        raise DataError(Problem(where, f"{rule} Found {quoted(ids)}. Number the labels anew."))
    return LabelMap(tuple(sorted((str(name) for name in ids), key=lambda name: int(ids[name]))))


def _from_names(names: Sequence[object], where: str) -> LabelMap:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None or not names:
        found = f"{quoted(twice)} twice" if names else "none"
        raise DataError(Problem(where, f"a label map names each label once. Found {found}. Correct it."))
    return LabelMap(tuple(str(name) for name in names))
