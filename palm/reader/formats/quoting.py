"""Whether cells stand in quotation marks: the csv module's rows, and what speaks for them in a tsv."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from palm.errors import counted
from palm.reader.formats.files import open_text
from palm.reader.formats.notes import add_note

Quoting = Literal["none", "double", "backslash"]
"""`"` is a character of the text; or cells may stand between two of them, and inside a cell they are doubled, or
preceded by a backslash.
"""

LONGEST_CELL = 64 << 20  # characters; csv stops at 128 KB, and some texts are longer
# A cell as csv writers write it: one with a quotation mark in it stands in quotation marks.
_CELL = r'(?:"[^"]*(?:""[^"]*)*"|[^"\t\r\n]*)'
_ROW = re.compile(f"{_CELL}(?:\t{_CELL})*\r?\n?")


def rows_of(lines: Iterable[str], delimiter: str, quoting: Quoting, *, strict: bool = True) -> Iterator[list[str]]:
    """The csv module's reader of `lines`."""
    csv.field_size_limit(max(LONGEST_CELL, csv.field_size_limit()))
    doubled = quoting == "double"
    escape = None if doubled else "\\"
    return csv.reader(lines, delimiter=delimiter, doublequote=doubled, escapechar=escape, strict=strict)


class LineRecorder(Iterator[str]):
    """Passes lines on, and keeps those since `restart`."""

    def __init__(self, lines: Iterator[str], first: int) -> None:
        self._lines, self.next = lines, first
        self.since: list[str] = []

    def __next__(self) -> str:
        line = next(self._lines)
        self.since.append(line)
        self.next += 1
        return line

    def restart(self) -> int:
        """Forget the lines so far; the number of the next."""
        self.since = []
        return self.next


def quoting_of_tsv(file: Path, encoding: str) -> Quoting:
    """Whether a csv writer wrote the tabs: a guess that is made only where the file is no tsv without quoting.

    By itself `"` is a character of the text in a tsv.
    """
    with open_text(file, encoding, newline="\n") as stream:
        if not any(line.startswith('"') or '\t"' in line for line in stream):
            return "none"
    found = _Evidence.of(file, encoding)
    if not (found.header_is_quoted or found.is_consistent):
        return "none"
    if found.is_ambiguous:
        add_note(file, f"{found.ambiguity} It is read without; set quoting: double if that is wrong.")
        return "none"
    reason = (
        "the header is" if found.header_is_quoted else "all cells with quotation marks are as csv writers write them"
    )
    add_note(file, f"cells in quotation marks are read without them, since {reason}. Set quoting: none to keep them.")
    return "double"


@dataclass
class _Evidence:
    """What speaks for quotation marks around the cells of a tsv.

    Attributes:
        header_is_quoted: All names in the header stand in quotation marks.
        is_well_formed: Every cell with a quotation mark stands in them.
        is_needed: A quoted cell has a tab or a line break in it.
        has_doubled: A quoted cell has doubled quotation marks in it.
        lines_are_rows: All lines have as many tabs as the first.
        rows_fit: If cells are quoted, all rows have as many as the first.
        rows: How many rows there are if cells are quoted.
        lines: How many lines there are.
    """

    header_is_quoted: bool = False
    is_well_formed: bool = True
    is_needed: bool = False
    has_doubled: bool = False
    lines_are_rows: bool = True
    rows_fit: bool = True
    rows: int = 0
    lines: int = 0
    _width: int = 0

    @classmethod
    def of(cls, file: Path, encoding: str) -> "_Evidence":
        found, tabs = cls(), -1
        with open_text(file, encoding, newline="\n") as stream:
            lines = LineRecorder(stream, 1)
            reader = rows_of(lines, "\t", "double")
            try:
                for row in iter(partial(next, reader, None), None):
                    raw, lines.since = lines.since, []
                    tabs = raw[0].count("\t") if tabs < 0 else tabs
                    found._add(raw, row, tabs)
                    if not (found.is_well_formed or found.header_is_quoted):
                        break
            except csv.Error:
                found.is_well_formed = False
        return found

    def _add(self, raw: list[str], row: list[str], tabs: int) -> None:
        text = "".join(raw)
        if not self.rows:
            self.header_is_quoted = bool(row) and text.count('"') >= 2 * len(row) and bool(_ROW.fullmatch(text))
            self._width = len(row)
        self.rows += 1
        self.rows_fit = self.rows_fit and len(row) in (0, self._width)
        self.lines += len(raw)
        self.is_well_formed = self.is_well_formed and bool(_ROW.fullmatch(text))
        self.is_needed = self.is_needed or any("\t" in cell or "\n" in cell for cell in row)
        self.has_doubled = self.has_doubled or any(cell.strip('"') and '"' in cell for cell in row)
        self.lines_are_rows = self.lines_are_rows and all(not line.strip() or line.count("\t") == tabs for line in raw)

    @property
    def is_consistent(self) -> bool:
        """Whether the file is as a csv writer writes it, and not for want of anything to quote."""
        return self.is_well_formed and self.rows_fit and (self.is_needed or self.has_doubled)

    @property
    def is_ambiguous(self) -> bool:
        """Whether it is a right tsv without quotation marks as well, of other rows."""
        return self.is_needed and self.lines_are_rows and not self.header_is_quoted

    @property
    def ambiguity(self) -> str:
        return (
            f"{self.lines} lines are {counted(self.rows, 'row')} if quotation marks stand around cells with line "
            f"breaks, and {self.lines} rows if they are characters of the text."
        )
