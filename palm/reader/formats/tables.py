"""Reads tables: csv or tsv with a header row, or JSON objects. Each row keeps the line where it starts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from palm.data.dataset import ROWS, DataSource, GivenRow
from palm.reader.fields import TableFields
from palm.reader.formats.cells import ID, Row, json_type
from palm.reader.formats.delimited import Cells, Delimited, read_delimited, sniff
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.json_rows import BLANK_LINE, json_form, read_json
from palm.spec import Phase

_FORMATS = {
    ".csv": "csv",
    ".jsonl": "json",
    ".json": "json",
    ".ndjson": "json",
    ".conll": "conll",
    **dict.fromkeys((".bio", ".iob", ".iob2", ".bmes", ".bioes", ".bilou", ".conllu", ".conllup"), "conll"),
}


@dataclass(frozen=True)
class Columns:
    """PALM's names of the columns to read, and the file's names of them.

    Attributes:
        required: Columns that the file must have.
        optional: Columns that are read if the file has them.
        called: PALM's name → the file's name.
        keep_blank: In a file with one column, an empty line is an empty text instead of an error.
        kept: Columns among `required` of a file that are only kept for predictions.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    called: Callable[[str], str]
    keep_blank: bool = False
    kept: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """The file's names of the required columns, for messages."""
        return ", ".join(self.called(name) for name in self.required)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([(name, self.called(name)) for name in (*self.required, *self.optional)])


def columns_of(config: TableFields, *, texts: tuple[str, ...], gold: tuple[str, ...], phase: Phase) -> Columns:
    """The columns to read in `phase`: when predicting, gold columns are optional, and predictions keep others."""
    if phase == "predict":
        kept = tuple(name for name in dict.fromkeys(config.keep_columns) if name not in (*texts, *gold, ID))
        return Columns((*texts, *kept), (*gold, ID), config.column, keep_blank=True, kept=kept)
    return Columns((*gold, *texts), (), config.column)


def table_format(config: TableFields, file: Path) -> str:
    """`csv`, `tsv`, `jsonl`, `json`, `conll`, `lines` or `text`, by the key file_format or the file's extension."""
    if config.file_format != "auto":
        return config.file_format
    name = file.with_suffix("") if file.suffix.lower() == ".gz" else file
    found = _FORMATS.get(name.suffix.lower(), "tsv")
    usable = (found, "jsonl") if found == "json" else (found,)
    return next((kind for kind in usable if kind in config.known_formats), "tsv")


def describe_format(file: Path, config: TableFields) -> str | None:
    """How a csv or json file is read, which its ending leaves open; None for other files.

    Raises:
        DataError: The file cannot be read.
    """
    kind = table_format(config, file)
    if kind == "csv":
        return f"csv, {_delimited(file, config)}"
    if kind == "json":
        found = json_form(file, config.encoding, _names(config))
        return str(found) if found.is_document else None
    return None


def table_rows(
    source: Path | Sequence[GivenRow], config: TableFields, columns: Columns, problems: FileProblems
) -> Iterator[Row]:
    """Every row of a file, or of rows from a program; invalid ones are skipped and added to `problems`.

    Raises:
        DataError: The file cannot be read.
    """
    if not isinstance(source, Path):
        yield from _given_rows(source, columns, problems)
        return
    found_any = False
    for row in _file_rows(source, config, columns, problems):
        found_any = True
        yield row
    if not found_any and not problems.count:
        found = "only a header row" if table_format(config, source) in ("csv", "tsv") else "an empty list"
        problems.add(f"a data file must contain examples, found {found}. Add rows, or name another file.")


def _file_rows(file: Path, config: TableFields, columns: Columns, problems: FileProblems) -> Iterator[Row]:
    kind = table_format(config, file)
    if kind in ("csv", "tsv"):
        form = _delimited(file, config)
        yield from _rows_under_header(read_delimited(file, config.encoding, form, problems), form, columns, problems)
        return
    names = _names(config) if kind == "json" else None
    for line, found in read_json(file, config.encoding, problems, names):
        yield from _row_of(found, line, columns, problems)


def _delimited(file: Path, config: TableFields) -> Delimited:
    """How `file` separates cells: as the keys `delimiter` and `quoting` say, else as its content suggests."""
    delimiter = config.delimiter or ("\t" if table_format(config, file) == "tsv" else None)
    quoting = None if config.quoting == "auto" else config.quoting
    return sniff(file, config.encoding, _names(config), delimiter=delimiter, quoting=quoting)


def _names(config: TableFields) -> list[str]:
    """The file's names of all columns of the reader."""
    return [config.column(name) for name in config.known_columns]


def source_of(source: Path | Sequence[GivenRow]) -> DataSource:
    """The name of `source` in messages."""
    return source if isinstance(source, Path) else ROWS


def _given_rows(rows: Sequence[GivenRow], columns: Columns, problems: FileProblems) -> Iterator[Row]:
    """`rows`, with PALM's own column names, whatever those of a file."""
    texts = tuple(name for name in columns.required if name not in columns.kept)
    own = replace(columns, called=str, required=texts, optional=(*columns.optional, *columns.kept))
    for number, row in enumerate(rows, 1):
        values = {own.required[0]: row} if isinstance(row, str) and len(own.required) == 1 else row
        if isinstance(values, Mapping):
            yield from _row_of(values, number, own, problems)
        else:
            rule = f"a row must be a mapping with {own.wanted}, found {json_type(row)} {quoted(row)}"
            problems.add(f"{rule}. Write {{column: text}}.", line=number)


def _rows_under_header(
    rows: Iterator[Cells], form: Delimited, columns: Columns, problems: FileProblems
) -> Iterator[Row]:
    line, first = next(rows)
    header = [name.strip() for name in first]
    if not _check_header(line, first, form, columns, problems):
        problems.raise_all()
    places = [(name, header.index(called)) for name, called in columns if called in header]
    for number, cells in rows:
        if len(cells) != len(header):
            problems.add(_wrong_width(cells, header, form), line=number)
        elif cells == [""] and not columns.keep_blank:
            problems.add(BLANK_LINE, line=number)
        else:
            yield Row(number, {name: cells[place] for name, place in places})


def _check_header(line: int, first: list[str], form: Delimited, columns: Columns, problems: FileProblems) -> bool:
    header = [name.strip() for name in first]
    missing = [columns.called(name) for name in columns.required if columns.called(name) not in header]
    twice = [called for _, called in columns if header.count(called) > 1]
    if missing:
        rule = f"the first row must name the columns, expected {columns.wanted}"
        found = f"found {quoted(form.delimiter.join(first))}"
        advice = f"Add a header row, or set `columns` to the file's names of {', '.join(missing)}"
        problems.add(f"{rule}, {found}. {advice}.", line=line)
    if twice:
        rule = f"a column must occur once in the header row, found {quoted(twice[0])} twice"
        problems.add(f"{rule}. Rename one.", line=line)
    return not (missing or twice)


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
            f"expected the fields {columns.wanted}, missing: {', '.join(missing)} (found {there}).", line=number
        )
    else:
        yield Row(number, {name: found[called] for name, called in columns if called in found})
