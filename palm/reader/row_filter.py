"""Rows that are left out of training and dev files: without text, without a label, or with certain labels."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from palm.data.dataset import DataSource
from palm.reader.fields import LabelledFields, TableFields
from palm.reader.formats.cells import Row, label_text
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import add_note
from palm.spec import Phase

_SHOWN = 3


@dataclass
class RowFilter:
    """Passes on the rows that are kept, and counts the others.

    Attributes:
        config: Keys of the reader.
        texts: The columns with text.
        phase: When predicting all rows are kept.
        separator: What separates the labels of a cell; None if a cell holds one label.
    """

    config: TableFields
    texts: Sequence[str]
    phase: Phase
    separator: str | None = None
    _left_out: dict[str, list[int]] = field(default_factory=dict)
    _empty: list[int] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def kept(self, rows: Iterable[Row], problems: FileProblems) -> Iterator[Row]:
        """The rows that are kept; that none is, is a problem."""
        kept = False
        for row in rows:
            reason = None if self.phase == "predict" else self._reason(row)
            if self.phase == "predict" and self._without_text(row):
                self._empty.append(row.line)
            if reason is None:
                kept = True
                yield row
            else:
                self._left_out.setdefault(reason, []).append(row.line)
        if self._left_out and not kept and not problems.count:
            reasons = ", ".join(self._left_out)
            rule = f"a data file must contain examples, found every row left out ({reasons})"
            problems.add(f"{rule}. Check `columns`, or name another file.")

    def add_notes(self, source: DataSource) -> None:
        """Add the remarks about `source` after its last row."""
        for note in self._notes():
            add_note(source, note)

    def _notes(self) -> Iterator[str]:
        """A remark about each reason for which rows were left out, and about labels that no row has."""
        for reason, lines in self._left_out.items():
            yield f"{_counted(lines, 'left out')} ({reason}), {_examples(lines)}."
        if self._empty:
            yield f"{_counted(self._empty, 'predicted without text')}, {_examples(self._empty)}."
        if self.phase == "train" and isinstance(self.config, LabelledFields):
            missing = [label for label in self.config.leave_out_labels if label not in self._seen]
            if missing:
                yield f"leave_out_labels: no row has the label {', '.join(f'`{label}`' for label in missing)}."

    def _reason(self, row: Row) -> str | None:
        config = self.config
        missing = self._without_text(row) if config.skip_empty_text else None
        if missing:
            return f"skip_empty_text: no {missing}"
        if not isinstance(config, LabelledFields) or "label" not in row.values:
            return None
        if config.on_missing_label == "leave_out" and _is_empty(row.values["label"]):
            return "on_missing_label: no label"
        if config.leave_out_labels:
            return self.reason_of(self._labels_in(row.values["label"]))
        return None

    def _without_text(self, row: Row) -> str | None:
        """The first column of text in which `row` has none."""
        return next((name for name in self.texts if _is_empty(row.values.get(name, True))), None)

    def _labels_in(self, value: object) -> Iterator[str]:
        cell = value if isinstance(value, list) else [value]
        for text in map(label_text, cell):
            if text is not None:
                parts = [text] if self.separator is None else text.replace("\x02", " ").split(self.separator)
                yield from map(str.strip, parts)

    def reason_of(self, labels: Iterable[str]) -> str | None:
        """Why a row with `labels` is left out; None if it is kept."""
        if self.phase == "predict" or not isinstance(self.config, LabelledFields):
            return None
        listed = next((label for label in labels if label in self.config.leave_out_labels), None)
        if listed is None:
            return None
        self._seen.add(listed)
        return f"leave_out_labels: `{listed}`"


def _counted(lines: Sequence[int], what: str) -> str:
    return f"1 row is {what}" if len(lines) == 1 else f"{len(lines)} rows are {what}"


def _examples(lines: Sequence[int]) -> str:
    listed = ", ".join(map(str, lines[:_SHOWN])) + (", …" if len(lines) > _SHOWN else "")
    return f"line {listed}" if len(lines) == 1 else f"lines {listed}"


def _is_empty(value: object) -> bool:
    """Whether a cell holds nothing that can be seen."""
    if isinstance(value, str):
        return all(char.isspace() or unicodedata.category(char) in ("Cc", "Cf") for char in value)
    return value is None or value == []
