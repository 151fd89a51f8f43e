"""Reads csv and tsv as rows of cells: finds out the delimiter, and whether cells stand in quotation marks."""

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from palm.reader.formats.files import FileProblems, check_text, open_text, quoted, read_lines, warn_once
from palm.reader.formats.quoting import LineRecorder, Quoting, quoting_of_tsv, rows_of

Cells = tuple[int, list[str]]
"""The line where a row starts, counted from 1, and its cells."""

DELIMITERS = (",", ";", "\t", "|")
_ROWS_SNIFFED = 50
_EXCEL_LINE = re.compile(r"sep=(.)\r?\n?")


@dataclass(frozen=True)
class Delimited:
    """How a file separates cells.

    Attributes:
        delimiter: One character.
        quoting: What `"` means.
        first_line: The line where the header stands: 2 below Excel's `sep=;`.
    """

    delimiter: str
    quoting: Quoting
    first_line: int = 1

    def __str__(self) -> str:
        quoting = {"none": "without quoting", "double": "cells may be quoted", "backslash": 'quoted cells with \\"'}
        return f"delimiter {quoted(self.delimiter)}, {quoting[self.quoting]}"


def sniff(
    file: Path, encoding: str, names: Collection[str], *, delimiter: str | None, quoting: Quoting | None
) -> Delimited:
    """How `file` separates cells.

    Args:
        file: A file of text.
        encoding: Its encoding.
        names: Names of columns that may stand in its header.
        delimiter: The delimiter if it is known.
        quoting: What `"` means if it is known. If not, cells of csv may be quoted, and those of tsv are if the file can
            only be the work of a csv writer.

    Raises:
        DataError: The file cannot be read.
    """
    check_text(file, encoding)
    with open_text(file, encoding, newline="") as stream:
        head = list(islice(stream, _ROWS_SNIFFED))
    excel = _EXCEL_LINE.fullmatch(head[0])
    if excel:
        return Delimited(delimiter or excel[1], quoting or "double", first_line=2)
    delimiter = delimiter or _delimiter_of(head, set(names))
    if quoting is None and delimiter == "\t" and any('"' in name for name in names):
        quoting = "none"
    if quoting is None:
        quoting = quoting_of_tsv(file, encoding) if delimiter == "\t" else "double"
    return Delimited(delimiter, quoting)


def read_delimited(file: Path, encoding: str, form: Delimited, problems: FileProblems) -> Iterator[Cells]:
    """The rows of `file` one by one, the header first; `[""]` is a blank line.

    Raises:
        DataError: The file cannot be read, or a quotation mark stands alone.
    """
    if form.quoting == "none":
        lines = islice(read_lines(file, encoding), form.first_line - 1, None)
        return ((number, line.split(form.delimiter)) for number, line in enumerate(lines, form.first_line))
    return _quoted_rows(file, encoding, form, problems)


def _quoted_rows(file: Path, encoding: str, form: Delimited, problems: FileProblems) -> Iterator[Cells]:
    check_text(file, encoding)
    merged = _MergedRows(form)
    with open_text(file, encoding, newline="") as stream:
        lines = LineRecorder(islice(stream, form.first_line - 1, None), form.first_line)
        reader, blank = rows_of(lines, form.delimiter, form.quoting), []
        while True:
            start = lines.restart()
            try:
                cells = next(reader, None)
            except csv.Error as error:
                problems.add(_broken_row(error, start, lines, form), line=start)
                problems.raise_all()
            if cells is None:
                break
            if not cells:
                blank.append(start)
                continue
            yield from ((line, [""]) for line in blank)
            blank = []
            merged.look_at(start, lines.since, len(cells))
            yield start, cells
    merged.warn(file)


class _MergedRows:
    """Looks for quotation marks that merge rows instead of protecting a line break in a cell."""

    def __init__(self, form: Delimited) -> None:
        self._form = form
        self._count, self._first = 0, (0, 0)

    def look_at(self, start: int, lines: list[str], width: int) -> None:
        if len(lines) > 1 and width > 1 and all(line.count(self._form.delimiter) == width - 1 for line in lines):
            self._first = self._first if self._count else (start, start + len(lines) - 1)
            self._count += 1

    def warn(self, file: Path) -> None:
        if self._count:
            first, last = self._first
            found = (
                f"lines {first} to {last} are one row by their quotation marks, but as many rows by their delimiters"
            )
            more = f" ({self._count} such rows)" if self._count > 1 else ""
            warn_once(file, f"{found}{more}. If they are rows of their own, set quoting: none, or double the marks.")


def _broken_row(error: csv.Error, start: int, lines: LineRecorder, form: Delimited) -> str:
    last = lines.next - 1
    where = "" if last == start else f" in lines {start} to {last}"
    if "unexpected end" in str(error) or "field limit" in str(error):
        found = f"found one that does not close{where}"
    else:
        found = f"found {quoted(lines.since[-1].rstrip())}{where}"
    rule = f"a quotation mark that opens a cell must close it before the next {quoted(form.delimiter)}"
    other = "" if form.quoting == "backslash" or '\\"' not in "".join(lines.since[-1:]) else ", quoting: backslash"
    return f'{rule}, {found}. Double the marks inside a cell (`""`), or set quoting: none{other}.'


def _delimiter_of(head: list[str], names: set[str]) -> str:
    """The delimiter with which the first rows have most of the columns in `names`, or else a common width."""

    def fit(delimiter: str) -> tuple[int, bool, int]:
        rows = [row for row in rows_of(head, delimiter, "double", strict=False) if row]
        header = [name.strip().removeprefix("\ufeff") for name in rows[0]] if rows else []
        # The last of them may be cut.
        widths = {len(row) for row in rows[: max(1, len(rows) - 1)]}
        return len(names & set(header)), len(widths) == 1 and widths != {1}, len(header)

    return max(DELIMITERS, key=fit)
