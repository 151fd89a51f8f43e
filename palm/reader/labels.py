"""Collects the label names of a training file, and maps labels to ids."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from palm.data.dataset import UNLABELLED, LabelMap, unused_label
from palm.errors import DataError, Problem, counted
from palm.reader.fields import LabelledFields
from palm.reader.formats.files import FileProblems, quoted, read_lines, read_text
from palm.registry import did_you_mean
from palm.spec import Phase

MOST_NAMES = 10
WHOLE_NUMBER = re.compile("0|[1-9][0-9]{0,8}")


def learn_label_map(labels: Iterable[str], n_classes: int | None) -> LabelMap:
    """Label names and ids of a training file.

    Labels that are the numbers 0..n-1 are their own ids. Without `n_classes` all of them must occur (of 0 and 1, one
    of them); with it some may be absent. Other numbers are names in numeric order, and other labels sorted names; with
    `n_classes`, classes beyond them are unused.
    """
    found = set(labels)
    if not all(WHOLE_NUMBER.fullmatch(label) for label in found):
        return LabelMap(_filled(sorted(found), n_classes))
    numbers = sorted(int(label) for label in found)
    if n_classes is None:
        if numbers == list(range(len(numbers))) or set(numbers) <= {0, 1}:
            numbers = list(range(max(len(numbers), 2)))
    elif not numbers or numbers[-1] < n_classes:
        numbers = list(range(n_classes))
    elif numbers[-1] - numbers[0] < n_classes:  # such as stars from 1 to 5, of which one does not occur
        numbers = list(range(numbers[0], numbers[-1] + 1))
    return LabelMap(_filled([str(number) for number in numbers], n_classes))


def _filled(names: Sequence[str], n_classes: int | None) -> tuple[str, ...]:
    """`names`, and an unused label for each further class."""
    return (*names, *(unused_label(number) for number in range(len(names), n_classes or 0)))


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
        self._most = config.n_classes
        self._lines: dict[str, list[int]] = {}  # of each label, if there are too many

    def id_of(self, label: str, line: int) -> int:
        """Id of `label` in `line`; -100 for an unknown one."""
        number = self._ids.get(label)
        if number is not None:
            if self._most is not None and len(self._names) > self._most:
                self._lines.setdefault(label, []).append(line)
            return number
        if self._lets_pass:
            self._unknown.add(label)
            self._unknown_count += 1
        else:
            self._problems.add(self._out_of_range(label), line=line)
        return UNLABELLED

    def raise_all(self) -> None:
        """Raise the problems of the file, also that it has more labels than classes.

        Raises:
            DataError: There are problems.
        """
        if self._lines:
            rarest, lines = min(self._lines.items(), key=lambda item: len(item[1]))
            found = f"found {len(self._names)} labels ({self._listed()})"
            example = f"the rarest is {quoted(rarest)} ({len(lines)}, first in line {lines[0]})"
            self._problems.add(f"n_classes is {self._most}, {found}; {example}. Correct either.")
        self._problems.raise_all()

    def notes(self) -> tuple[str, ...]:
        """A remark about accepted unknown labels, if any."""
        if not self._unknown:
            return ()
        names = ", ".join(sorted(self._unknown)[:MOST_NAMES])
        one = self._unknown_count == 1
        which = "that is not in the training file counts" if one else "that are not in the training file count"
        return (f"{counted(self._unknown_count, 'label')} {which} as wrong ({names}).",)

    def _out_of_range(self, label: str) -> str:
        labels = f"{counted(len(self._names), 'label')} {'is' if len(self._names) == 1 else 'are'} {self._listed()}"
        rule = f"label out of range: the {labels}, found {quoted(label)}."
        hint = did_you_mean(label, list(self._names))
        return f"{rule}{hint} Correct it, or set n_classes (numbers) or on_unknown_label (dev_file)."

    def _listed(self) -> str:
        return listed(self._names)


def listed(names: Sequence[str]) -> str:
    """The first of `names`, for messages."""
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown}, …" if len(names) > MOST_NAMES else shown


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
