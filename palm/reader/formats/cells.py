"""One row of a table, and checks of its cells."""

import math
import re
from dataclasses import dataclass

from palm.reader.formats.files import FileProblems, quoted

LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """One example of the file.

    Attributes:
        line: Its line, counted from 1.
        values: PALM's column name → value: always text in a tsv, any JSON value in jsonl.
    """

    line: int
    values: dict[str, object]


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
        problems.add(f"`{name}` must contain text, found it empty. Fill it in, or remove the row.", line=row.line)
    return value


def label_at(row: Row, name: str, problems: FileProblems, *, may_be_empty: bool) -> str:
    """The label in column `name`, without surrounding blanks; in jsonl possibly a whole number."""
    value = row.values[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        problems.add(
            f"`{name}` must be a string or a whole number, found {json_type(value)} {quoted(value)}.", line=row.line
        )
        return ""
    if not value.strip() and not may_be_empty:
        problems.add(f"`{name}` must contain a label, found it empty. Fill it in, or remove the row.", line=row.line)
    return value.strip()


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
