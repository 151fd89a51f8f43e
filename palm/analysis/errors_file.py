"""Writes the rows that a model got wrong as a table that spreadsheets open: `palm eval --errors`."""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from palm.analysis.task_analysis import WrongRow
from palm.reader.base import Reader
from palm.reader.fields import TableFields
from palm.reader.formats.tables import rows_as_they_stand, table_format
from palm.reader.formats.tagged_formats import tagged_format

OWN_COLUMNS = ("task", *(name for name in WrongRow.model_fields if name not in ("row", "columns")))
"""task, line, gold, predicted, probability, gold_probability, loss, remark."""
_OF_FILE = " (file)"
_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "＝",
    "＋",
    "－",
    "＠",
    "\t",
    "\r",
    "\n",
)  # also the wide forms, which Excel takes as well
_TABLES = ("csv", "tsv", "json", "jsonl")


def write_errors(rows: Mapping[str, Sequence[WrongRow]], cells: Mapping[str, Mapping[int, object]], file: Path) -> None:
    """Write the wrong rows of tasks to a csv file: UTF-8 with a mark by which Excel knows it, one row after the other.

    Cells that a spreadsheet would compute begin with an apostrophe (https://owasp.org/www-community/attacks/CSV_Injection).

    Args:
        rows: The rows of each task, worst first.
        cells: All columns of the rows in their files, by task and line, from `cells_of`; where there are none, the
            texts of the row stand for them.
        file: The file, which is complete or as it was.

    Raises:
        OSError: It cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as stream:
            header = _header(rows, cells)
            table = csv.DictWriter(stream, header, restval="", lineterminator="\r\n")
            table.writerow({name: guarded(name) for name in header})
            for task, found in rows.items():
                for row in found:
                    table.writerow({name: guarded(cell) for name, cell in _cells(task, row, cells.get(task, {}))})
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def cells_of(reader: Reader, source: object, rows: Sequence[WrongRow]) -> dict[int, Mapping[str, object]]:
    """All columns of some rows of a table, by line; none where rows are of another kind, such as words in lines.

    Args:
        reader: The reader of the file.
        source: Where the rows are from.
        rows: The rows.

    Raises:
        DataError: The file cannot be read.
    """
    config, wanted = reader.config, {row.line for row in rows}
    if not isinstance(source, Path) or not isinstance(config, TableFields) or not wanted:
        return {}
    form = tagged_format if "conll" in config.known_formats else table_format
    if form(config, source) not in _TABLES:
        return {}
    found = [(line, cells) for line, cells in rows_as_they_stand(source, config) if line in wanted]
    times = Counter(line for line, _ in found)  # a JSON list may have several rows in a line
    return {line: cells for line, cells in found if times[line] == 1}


def guarded(cell: object) -> str:
    """A cell that is a text for every spreadsheet; a number stays one."""
    text = "" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text


def _header(rows: Mapping[str, Sequence[WrongRow]], cells: Mapping[str, Mapping[int, object]]) -> list[str]:
    names = dict.fromkeys(OWN_COLUMNS)
    for task, found in rows.items():
        for row in found:
            names |= dict.fromkeys(name for name, _ in _cells(task, row, cells.get(task, {})))
    return list(names)


def _cells(task: str, row: WrongRow, cells: Mapping[int, object]) -> Iterator[tuple[str, object]]:
    own = row.model_dump(include={*OWN_COLUMNS})
    yield from (("task", task), *((name, own[name]) for name in OWN_COLUMNS[1:]))
    found = cells.get(row.line) if row.line is not None else None
    for name, cell in (found if isinstance(found, Mapping) else row.columns).items():
        text = json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | Mapping) else cell
        yield (f"{name}{_OF_FILE}" if name in OWN_COLUMNS else name), text
