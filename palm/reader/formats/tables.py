"""Reads tables: csv or tsv with a header row, or JSON objects. Each row keeps the line where it starts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from palm.data.dataset import ROWS, DataSource, GivenRow
from palm.errors import counted
from palm.reader.fields import TableFields
from palm.reader.formats.cells import Row, json_type
from palm.reader.formats.columns import Columns, lookalikes, names_looked_for, possible_names
from palm.reader.formats.delimited import Cells, Delimited, read_delimited, sniff
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.json_rows import BLANK_LINE, json_form, read_json
from palm.reader.formats.notes import add_note
from palm.reader.formats.row_table import RowTable

_NOTED: set[str] = set()
_FORMATS = {
    ".csv": "csv",
    ".jsonl": "json",
    ".json": "json",
    ".ndjson": "json",
    ".conll": "conll",
    **dict.fromkeys((".bio", ".iob", ".iob2", ".bmes", ".bioes", ".bilou", ".conllu", ".conllup"), "conll"),
}


def table_format(config: TableFields, file: Path) -> str:
    """`csv`, `tsv`, `jsonl`, `json`, `conll`, `lines` or `text`, by the key file_format or the file's extension."""
    if config.file_format != "auto":
        return config.file_format
    found = _FORMATS.get(_ending(file), "tsv")
    usable = (found, "jsonl") if found == "json" else (found,)
    return next((kind for kind in usable if kind in config.known_formats), "tsv")


def is_table_of_another_format(name: str) -> bool:
    """Whether the ending of a file is that of csv or JSON."""
    return _FORMATS.get(_ending(Path(name))) in ("csv", "json")


def _ending(file: Path) -> str:
    """`.csv` of `x.csv` and of `x.csv.gz`."""
    return (file.with_suffix("") if file.suffix.lower() == ".gz" else file).suffix.lower()


def describe_format(file: Path, config: TableFields) -> str | None:
    """How a csv or json file is read, which its ending leaves open; None for other files.

    Raises:
        DataError: The file cannot be read.
    """
    kind = table_format(config, file)
    if kind == "csv":
        return f"csv, {_delimited(file, config)}"
    if kind == "json":
        found = json_form(file, config.encoding, possible_names(config))
        return str(found) if found.is_document else None
    return None


def table_rows(
    source: Path | Sequence[GivenRow], config: TableFields, columns: Columns, problems: FileProblems
) -> Iterator[Row]:
    """Every row of a file, or of rows from a program; invalid ones are skipped and added to `problems`.

    Raises:
        DataError: The file cannot be read.
    """
    if isinstance(source, Path):
        yield from _file_rows(source, config, columns, problems)
    else:
        yield from _given_rows(source, columns, problems, names_of_classes=not config.labels_are_places)


def rows_as_they_stand(file: Path, config: TableFields) -> Iterator[tuple[int, dict[str, object]]]:
    """Line and cells of each row of a table, under the file's own names of columns or their positions.

    For a file that was read without a problem, and is no longer looked at closely.

    Raises:
        DataError: The file cannot be read.
    """
    problems = FileProblems(file)
    if table_format(config, file) not in ("csv", "tsv"):
        names = possible_names(config)
        yield from ((line, dict(found)) for line, found in read_json(file, config.encoding, problems, names))
        return
    rows = read_delimited(file, config.encoding, _delimited(file, config), problems)
    header = next(rows)[1] if config.header else None
    for line, cells in rows:
        yield line, dict(zip(header or map(str, range(len(cells))), cells, strict=False))


def _file_rows(file: Path, config: TableFields, columns: Columns, problems: FileProblems) -> Iterator[Row]:
    found_any = False
    for row in _parsed_rows(file, config, columns, problems):
        found_any = True
        yield row
    if not found_any and not problems.count:
        found = "only a header row" if table_format(config, file) in ("csv", "tsv") else "an empty list"
        problems.add(f"a data file must contain examples, found {found}. Add rows, or name another file.")


def _parsed_rows(file: Path, config: TableFields, columns: Columns, problems: FileProblems) -> Iterator[Row]:
    kind = table_format(config, file)
    if kind in ("csv", "tsv"):
        form = _delimited(file, config)
        cells = read_delimited(file, config.encoding, form, problems)
        header = next(cells) if config.header else None
        yield from _rows_of_cells(cells, header, form, columns, problems)
        return
    names = possible_names(config) if kind == "json" else None
    settled = None
    for line, found in read_json(file, config.encoding, problems, names):
        settled = settled or columns.settle(list(map(str, found)), problems, line=line)
        yield from _row_of(found, line, settled, problems)


def _delimited(file: Path, config: TableFields) -> Delimited:
    """How `file` separates cells: as the keys `delimiter` and `quoting` say, else as its content suggests."""
    delimiter = config.delimiter or ("\t" if table_format(config, file) == "tsv" else None)
    quoting = None if config.quoting == "auto" else config.quoting
    return sniff(file, config.encoding, possible_names(config), delimiter=delimiter, quoting=quoting)


def source_of(source: Path | Sequence[GivenRow]) -> DataSource:
    """The name of `source` in messages."""
    if isinstance(source, RowTable):
        return source.source
    return source if isinstance(source, Path) else ROWS


def _given_rows(
    rows: Sequence[GivenRow], columns: Columns, problems: FileProblems, *, names_of_classes: bool
) -> Iterator[Row]:
    """The rows of a table, or `rows` with PALM's names of columns, those of a file, or names that people use."""
    texts = tuple(name for name in columns.required if name not in columns.kept)
    own = replace(columns, names={}, required=texts, optional=(*columns.optional, *columns.kept))
    first, settled = 1, dict[tuple[object, ...], Columns]()
    if isinstance(rows, RowTable):
        own, first = _columns_in(rows, columns, problems), rows.first_line
        if not rows:
            problems.add("a table must contain examples, found no row. Name another one.")
    listed = rows.named_rows() if isinstance(rows, RowTable) and names_of_classes else rows
    for number, row in enumerate(listed, first):
        values = {own.required[0]: row} if isinstance(row, str) and len(own.required) == 1 else row
        if isinstance(values, Mapping):
            keys = tuple(values)
            if keys not in settled:
                settled[keys] = (
                    own if isinstance(rows, RowTable) else _columns_of(keys, own, columns.names, problems, number)
                )
            yield from _row_of(values, number, settled[keys], problems)
        else:
            rule = f"a row must be a mapping with {own.wanted}, found {json_type(row)} {quoted(row)}"
            problems.add(f"{rule}. Write {{column: text}}.", line=number)


def _columns_of(
    keys: Sequence[object], own: Columns, in_files: Mapping[str, str], problems: FileProblems, number: int
) -> Columns:
    """The columns of a row with `keys`: PALM's own names come first, then those of the key `columns`, then guesses."""
    if set(own.required).issubset(keys):
        return own
    of_palm = {*own.required, *own.optional}
    usable = {name: called for name, called in in_files.items() if called in keys and called not in of_palm}
    named = {name: called for name, called in usable.items() if name not in keys}
    called = [key for key in keys if isinstance(key, str)]
    return replace(own, names=named).settle(called, problems, line=number, note=_note_once)


def _note_once(source: DataSource, message: str) -> None:
    """Add a note about rows, of which a program may predict one after the other."""
    if message not in _NOTED:
        _NOTED.add(message)
        add_note(source, message)


def _columns_in(table: RowTable, columns: Columns, problems: FileProblems) -> Columns:
    """`columns` by their names in a table: as the key `columns` says, or PALM's own where it has these."""
    first = next(iter(table), None)
    there = table.columns or (list(map(str, first)) if isinstance(first, Mapping) else ())
    is_renamed = any(columns.called(name) not in there for name in columns.required)
    if is_renamed and set(there).issuperset(columns.required):
        return replace(columns, names={})
    return columns.settle(there, problems, by_position=True)


def _rows_of_cells(
    rows: Iterator[Cells], names: Cells | None, form: Delimited, columns: Columns, problems: FileProblems
) -> Iterator[Row]:
    """Rows under the header `names`; without one the columns are called by their places."""
    if names is None:
        first = next(rows)
        rows = chain([first], rows)
        header = [str(place) for place in range(len(first[1]))]
        _check_places(first[0], header, columns, problems)
    else:
        header = [name.strip() for name in names[1]]
        columns = columns.settle(header, problems, line=names[0], by_position=True)
        _check_header(names[0], names[1], form, columns, problems)
    problems.raise_all()
    places = [(name, header.index(called)) for name, called in columns if called in header]
    for number, cells in rows:
        if len(cells) != len(header):
            problems.add(_wrong_width(cells, header, form), line=number)
        elif cells == [""] and not columns.keep_blank:
            problems.add(BLANK_LINE, line=number)
        else:
            yield Row(number, {name: cells[place] for name, place in places})


def _check_places(line: int, places: list[str], columns: Columns, problems: FileProblems) -> None:
    missing = [columns.called(name) for name in columns.required if columns.called(name) not in places]
    if missing:
        rule = "without a header `columns` gives the place of each column, from 0"
        found = f"{', '.join(missing)} in a file of {counted(len(places), 'column')}"
        problems.add(f"{rule}, found {found}. Correct it, or remove header: false.", line=line)


def _check_header(line: int, first: list[str], form: Delimited, columns: Columns, problems: FileProblems) -> None:
    header = [name.strip() for name in first]
    missing = [columns.called(name) for name in columns.required if columns.called(name) not in header]
    twice = [called for _, called in columns if header.count(called) > 1]
    if missing:
        rule = f"the first row must name the columns, expected {columns.wanted}"
        found = f"found {quoted(form.delimiter.join(first))}"
        advice = f"Add a header row (or header: false), or set `columns` to the file's names of {', '.join(missing)}"
        problems.add(f"{rule}, {found}. {advice}.{lookalikes(missing, header)}", line=line)
    if twice:
        rule = f"a column must occur once in the header row, found {quoted(twice[0])} twice"
        problems.add(f"{rule}. Rename one.", line=line)


def _wrong_width(cells: list[str], header: list[str], form: Delimited) -> str:
    if len(cells) == 1 and not cells[0].strip():
        return BLANK_LINE
    sign = "tab" if form.delimiter == "\t" else quoted(form.delimiter)
    extra = f"Remove the extra {sign}" if form.quoting == "none" else f"Remove the extra {sign}, or quote the text"
    hint = extra if len(cells) > len(header) else f"Add what is missing, separated by {sign.replace('tab', 'tabs')}"
    word = "column" if len(header) == 1 else "columns"
    return f"expected {len(header)} {word} ({', '.join(header)}), found {len(cells)}. {hint}."


def _row_of(found: Mapping[str, object], number: int, columns: Columns, problems: FileProblems) -> Iterator[Row]:
    """The row of one object; none if fields are missing, which is a problem."""
    missing = [columns.called(name) for name in columns.required if columns.called(name) not in found]
    if missing:
        there = ", ".join(map(str, found)) or "none"
        problems.add(
            f"expected the fields {columns.wanted}, missing: {', '.join(missing)} (found {there})."
            f"{names_looked_for(columns, missing)}",
            line=number,
        )
    else:
        yield Row(number, {name: found[called] for name, called in columns if called in found})
