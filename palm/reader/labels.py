"""Collects the label names of a training file, and maps labels to ids."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from palm.data.dataset import UNLABELLED, LabelMap
from palm.errors import DataError, Problem
from palm.reader.fields import LabelledFields
from palm.reader.formats.files import FileProblems, quoted, read_lines, read_text
from palm.registry import did_you_mean
from palm.spec import Phase

MOST_NAMES = 10
WHOLE_NUMBER = re.compile("0|[1-9][0-9]{0,8}")


def learn_label_map(labels: Iterable[str], n_classes: int | None) -> LabelMap:
    """Label names and ids of a training file.

    Labels that are the numbers 0..n-1 are their own ids. Without `n_classes` all of them must occur (of 0 and 1, one
    of them); with it every whole number counts as an id, and `LabelEncoder` refuses those out of range. Other labels
    are sorted names.
    """
    found = set(labels)
    if all(WHOLE_NUMBER.fullmatch(label) for label in found):
        numbers = sorted(int(label) for label in found)
        if n_classes is not None:
            return LabelMap(tuple(str(number) for number in range(n_classes)))
        if numbers == list(range(len(numbers))) or set(numbers) <= {0, 1}:
            return LabelMap(tuple(str(number) for number in range(max(len(numbers), 2))))
        return LabelMap(tuple(str(number) for number in numbers))
    return LabelMap(tuple(sorted(found)))


class LabelEncoder:
    """Maps the labels of one file to ids, and collects unknown ones.

    Args:
        labels: The known labels.
        config: Keys of the reader.
        phase: In phase `eval` the config may map unknown labels to -100.
        problems: Collects the problems.
    """

    def __init__(self, labels: LabelMap, config: LabelledFields, phase: Phase, problems: FileProblems) -> None:
        self._names = labels.names
        self._ids = labels.ids()
        self._lets_pass = phase == "eval" and config.on_unknown_label == "count_as_wrong"
        self._problems = problems
        self._unknown: set[str] = set()
        self._unknown_count = 0
        if config.n_classes is not None and len(labels) > config.n_classes:
            problems.add(
                f"n_classes is {config.n_classes}, found {len(labels)} labels ({self._listed()}). Correct either."
            )

    def id_of(self, label: str, line: int) -> int:
        """Id of `label` in `line`; -100 for an unknown one."""
        number = self._ids.get(label)
        if number is not None:
            return number
        if self._lets_pass:
            self._unknown.add(label)
            self._unknown_count += 1
        else:
            self._problems.add(self._out_of_range(label), line=line)
        return UNLABELLED

    def notes(self) -> tuple[str, ...]:
        """A remark about accepted unknown labels, if any."""
        if not self._unknown:
            return ()
        names = ", ".join(sorted(self._unknown)[:MOST_NAMES])
        return (f"{self._unknown_count} labels that are not in the training file count as wrong ({names}).",)

    def _out_of_range(self, label: str) -> str:
        rule = f"label out of range: the {len(self._names)} labels are {self._listed()}, found {quoted(label)}."
        hint = did_you_mean(label, list(self._names))
        return f"{rule}{hint} Correct it, or set n_classes (numbers) or on_unknown_label (dev_file)."

    def _listed(self) -> str:
        shown = ", ".join(self._names[:MOST_NAMES])
        return f"{shown}, …" if len(self._names) > MOST_NAMES else shown


LabelMapSource = str | Path | Mapping[str, int] | Sequence[str]
"""A file (a JSON object, label → id; or one label per line), such a mapping, or label names in order."""


def read_label_map(source: LabelMapSource) -> LabelMap:
    """The label map in `source`.

    Raises:
        DataError: The file is missing, ids are not 0, 1, 2 …, or a label is repeated.
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
        rule = "a label map must be a JSON object `{label: id}`, or a list of labels."
        raise DataError(Problem(str(file), f"{rule} Found invalid JSON: {error}. Correct it.")) from error
    return _from_names(found, str(file)) if isinstance(found, list) else _from_ids(found, str(file))


def _from_ids(ids: object, where: str) -> LabelMap:
    numbers = list(ids.values()) if isinstance(ids, Mapping) else []
    if not isinstance(ids, Mapping) or sorted(map(str, numbers)) != sorted(map(str, range(len(numbers)))):
        rule = "the ids of a label map must be 0, 1, 2 … without a gap."
        raise DataError(Problem(where, f"{rule} Found {quoted(ids)}. Renumber the labels."))
    return LabelMap(tuple(sorted((str(name) for name in ids), key=lambda name: int(ids[name]))))


def _from_names(names: Sequence[object], where: str) -> LabelMap:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None or not names:
        found = f"{quoted(twice)} twice" if names else "none"
        raise DataError(Problem(where, f"a label map must contain each label once. Found {found}. Correct it."))
    return LabelMap(tuple(str(name) for name in names))
