"""One row of a table, and checks of its cells."""

import math
import re
from dataclasses import dataclass

from palm.reader.formats.files import FileProblems, quoted

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
NO_TEXT = "Fill it in, remove the row, or set skip_empty_text: true."
NO_LABEL = "Fill it in, remove the row, or set on_missing_label: leave_out."


@dataclass(frozen=True)
class Row:
    """One example of the file.

    Attributes:
        line: Its line, counted from 1.
        values: PALM's column name → value: always text in a tsv, any JSON value in jsonl.
    """

    line: int
    values: dict[str, object]


ID = "id"
"""The column that names a row, which predictions keep."""


def kept_cells(row: Row, known: tuple[str, ...]) -> dict[str, object]:
    """`{"kept": …}` with the cells of `row` in no column that the reader knows, as they are; empty without any."""
    kept = {name: value for name, value in row.values.items() if name not in known}
    return {"kept": kept} if kept else {}


_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (dict, "an object"),
    (list, "a list"),
    (str, "a string"),
    (bool, "a boolean"),  # before int, of which it is a subclass
    (int, "a number"),
    (float, "a number"),
    (type(None), "null"),
)


def json_type(value: object) -> str:
    """JSON's name of the type of `value`; for types that JSON lacks, Python's."""
    names = (name for kind, name in _JSON_TYPES if isinstance(value, kind))
    return next(names, f"a Python {type(value).__name__}")


def text_at(row: Row, name: str, problems: FileProblems, *, may_be_empty: bool) -> str:
    """The text in column `name`; an empty string after adding a problem."""
    value = row.values[name]
    if value is None:
        if not may_be_empty:
            problems.add(f"`{name}` must contain text, found null. {NO_TEXT}", line=row.line)
        return ""
    if not isinstance(value, str):
        problems.add(
            f"`{name}` must be a string, found {json_type(value)} {quoted(value)}. Write it in quotes.", line=row.line
        )
        return ""
    if LONE_SURROGATE.search(value):
        problems.add(
            f"`{name}` must be Unicode text, found half of a surrogate pair in {quoted(value)}. Correct the escape.",
            line=row.line,
        )
    elif not may_be_empty and not value.strip():
        problems.add(f"`{name}` must contain text, found it empty. {NO_TEXT}", line=row.line)
    return value


def label_text(value: object) -> str | None:
    """A label as text: a string without surrounding blanks, or a whole number or boolean of JSON; None for others."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value.strip() if isinstance(value, str) else None


def label_at(row: Row, name: str, problems: FileProblems, *, may_be_empty: bool) -> str:
    """The label in column `name`, without surrounding blanks; in jsonl possibly a whole number or a boolean."""
    value = row.values[name]
    label = label_text(value)
    if label is None and not (value is None and may_be_empty):
        rule = f"`{name}` must be a string, a whole number, true or false"
        problems.add(f"{rule}, found {json_type(value)} {quoted(value)}.", line=row.line)
    elif label == "" and not may_be_empty:
        problems.add(f"`{name}` must contain a label, found it empty. {NO_LABEL}", line=row.line)
    return label or ""


def labels_at(row: Row, name: str, problems: FileProblems, *, may_be_empty: bool) -> list[str]:
    """The labels in column `name`, without repetition: `a|b`, or a list in jsonl; an empty cell contains none."""
    del may_be_empty  # an empty set of labels is valid
    value = row.values[name]
    parts = value if isinstance(value, list) else value.split("|") if isinstance(value, str) else [value]
    cells = [Row(row.line, {name: part}) for part in parts if part != ""]
    return list(dict.fromkeys(label_at(cell, name, problems, may_be_empty=False) for cell in cells))


def number_at(row: Row, name: str, problems: FileProblems, *, may_be_empty: bool) -> float | None:
    """The number in column `name`; None after adding a problem, and for an empty cell when predicting."""
    value = row.values[name]
    if may_be_empty and (value is None or (isinstance(value, str) and not value.strip())):
        return None
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if math.isfinite(number):
        return number
    problems.add(f"`{name}` must be a number, found {quoted(str(value))}. Correct it.", line=row.line)
    return None
