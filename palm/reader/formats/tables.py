"""Reads tables: tsv with a header row, or one JSON object per line. Each row keeps its line number."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from palm.data.dataset import ROWS, DataSource, GivenRow
from palm.reader.fields import TableFields
from palm.reader.formats.cells import Row, json_type
from palm.reader.formats.columns import Columns, lookalikes
from palm.reader.formats.files import FileProblems, quoted, read_lines

BLANK_LINE = "a line must contain one example, found a blank line. Remove it."


def table_format(config: TableFields, file: Path) -> str:
    """`tsv`, `jsonl` or `conll`, by the key file_format or the file's extension."""
    if config.file_format != "auto":
        return config.file_format
    by_ending = {
        ".jsonl": "jsonl",
        ".json": "jsonl",
        ".ndjson": "jsonl",
        ".conll": "conll",
        ".bio": "conll",
        ".iob2": "conll",
    }
    found = by_ending.get(file.suffix.lower(), "tsv")
    return found if found in config.known_formats else "tsv"


def table_rows(
    source: Path | Sequence[GivenRow], config: TableFields, columns: Columns, problems: FileProblems
) -> Iterator[Row]:
    """Every row of a file, or of rows from a program; invalid ones become problems.

    Raises:
        DataError: The file cannot be read.
    """
    if isinstance(source, Path):
        return read_table(source, columns, problems, file_format=table_format(config, source))
    return _given_rows(source, columns, problems)


def source_of(source: Path | Sequence[GivenRow]) -> DataSource:
    """The name of `source` in messages."""
    return source if isinstance(source, Path) else ROWS


def _given_rows(rows: Sequence[GivenRow], columns: Columns, problems: FileProblems) -> Iterator[Row]:
    """`rows`, with PALM's own column names, whatever those of a file."""
    own = replace(columns, names={})
    for number, row in enumerate(rows, 1):
        values = {own.required[0]: row} if isinstance(row, str) and len(own.required) == 1 else row
        if isinstance(values, Mapping):
            yield from _row_of(values, number, own, problems)
        else:
            rule = f"a row must be a mapping with {own.wanted}, found {json_type(row)} {quoted(row)}"
            problems.add(f"{rule}. Write {{column: text}}.", line=number)


def read_table(file: Path, columns: Columns, problems: FileProblems, *, file_format: str) -> Iterator[Row]:
    """Every row of `file`, one by one; invalid ones are skipped and added to `problems`.

    Raises:
        DataError: The file cannot be read.
    """
    lines = read_lines(file)
    found_any = False
    for row in (_read_jsonl if file_format == "jsonl" else _read_tsv)(lines, columns, problems):
        found_any = True
        yield row
    if not found_any and not problems.count:
        problems.add("a data file must contain examples, found only a header row. Add rows, or name another file.")


def _read_tsv(lines: Iterator[str], columns: Columns, problems: FileProblems) -> Iterator[Row]:
    first = next(lines)
    header = [name.strip() for name in first.split("\t")]
    columns = columns.settle(header, problems, line=1, by_position=True)
    if not _check_header(first, header, columns, problems):
        problems.raise_all()
    places = [(name, header.index(called)) for name, called in columns if called in header]
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) != len(header):
            problems.add(_wrong_width(line, len(cells), header), line=number)
        elif not line and not columns.keep_blank:
            problems.add(BLANK_LINE, line=number)
        else:
            yield Row(number, {name: cells[place] for name, place in places})


def _check_header(line: str, header: list[str], columns: Columns, problems: FileProblems) -> bool:
    missing = [columns.called(name) for name in columns.required if columns.called(name) not in header]
    twice = [called for _, called in columns if header.count(called) > 1]
    if missing:
        rule = f"the first row must name the columns, expected {columns.wanted}, found {quoted(line)}"
        advice = f"Add a header row, or set `columns` to the file's names of {', '.join(missing)}."
        problems.add(f"{rule}. {advice}{lookalikes(missing, header)}", line=1)
    if twice:
        problems.add(f"a column must occur once in the header row, found {quoted(twice[0])} twice. Rename one.", line=1)
    return not (missing or twice)


def _wrong_width(line: str, found: int, header: list[str]) -> str:
    if not line.strip():
        return BLANK_LINE
    hint = "Remove the extra tab." if found > len(header) else "Add what is missing, separated by tabs."
    word = "column" if len(header) == 1 else "columns"
    return f"expected {len(header)} {word} ({', '.join(header)}), found {found}. {hint}"


def _read_jsonl(lines: Iterator[str], columns: Columns, problems: FileProblems) -> Iterator[Row]:
    settled = False
    for number, line in enumerate(lines, 1):
        found = _parse_object(line, number, problems)
        if found is not None and not settled:
            columns, settled = columns.settle(list(map(str, found)), problems, line=number), True
        if found is not None:
            yield from _row_of(found, number, columns, problems)


def _row_of(found: Mapping[str, object], number: int, columns: Columns, problems: FileProblems) -> Iterator[Row]:
    """The row of one object; none if fields are missing, which is a problem."""
    missing = [columns.called(name) for name in columns.required if columns.called(name) not in found]
    if missing:
        there = ", ".join(map(str, found)) or "none"
        problems.add(
            f"expected the fields {columns.wanted}, missing: {', '.join(missing)} (found {there}).", line=number
        )
    else:
        yield Row(number, {name: found[called] for name, called in columns if called in found})


def _parse_object(line: str, number: int, problems: FileProblems) -> dict[str, object] | None:
    """The JSON object of one line, or None after adding a problem."""
    if not line.strip():
        problems.add(BLANK_LINE, line=number)
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} (column {error.colno})" if isinstance(error, json.JSONDecodeError) else str(error)
        problems.add(
            f"a line must be a JSON object, found invalid JSON: {reason}. Correct it, or set file_format.", line=number
        )
        return None
    if not isinstance(found, dict):
        problems.add(
            f"a line must be a JSON object, found {json_type(found)} {quoted(found)}. Write {{…}}.", line=number
        )
        return None
    return found
