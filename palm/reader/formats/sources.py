"""Where records come from: a file, a hub data set, or rows of a program, as one thing that readers take."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

from palm.data.dataset import ROWS, DataSource, GivenRow
from palm.errors import ConfigError, DataError, Problem
from palm.reader.formats.cells import json_type
from palm.reader.formats.columnar import is_hub_name, open_columnar, open_hub, table_of
from palm.reader.formats.files import quoted
from palm.reader.formats.row_table import ROWS_MARK, RowTable, keep_rows, kept_rows
from palm.schema.fields import ReaderFields

RowSource = Path | RowTable
"""A text file that a reader parses itself, or a table that is read already."""

DATA_KEYS = ("train_file", "dev_file", "pred_file", "pseudo_data_path")


def open_source(source: str | Path | RowTable, config: ReaderFields) -> RowSource:
    """What the name `source` stands for.

    Raises:
        DataError: A hub data set, parquet file or workbook cannot be read; rows of a program are unknown.
    """
    if isinstance(source, RowTable):
        return source
    name = fspath(source)
    if is_hub_name(name):
        return open_hub(name)
    if name.startswith(ROWS_MARK):
        return kept_rows(name)
    sheet, has_header = getattr(config, "sheet", None), getattr(config, "header", True)
    table = open_columnar(Path(name), sheet=sheet, has_header=has_header)
    return Path(name) if table is None else table


def source_name(source: RowSource) -> DataSource:
    """The name of `source` in messages."""
    return source.source if isinstance(source, RowTable) else source


def as_table(rows: object) -> RowTable:
    """The table of rows in memory: a list of mappings or texts, a pandas DataFrame, or a `datasets.Dataset`.

    Raises:
        DataError: It is something else, such as a text, which would be taken for rows of one character.
    """
    kind = type(rows).__module__.split(".")[0], type(rows).__name__
    if isinstance(rows, RowTable):
        return rows
    if kind == ("pandas", "DataFrame"):
        return _table_of_frame(rows)
    if kind == ("datasets", "Dataset"):
        return table_of(cast("Any", rows), ROWS)
    if kind == ("datasets", "DatasetDict"):
        rule = "one split of a data set is expected, found all of them"
        raise DataError(Problem(ROWS, f'{rule}. Hand one over: data["train"].'))
    if isinstance(rows, str | bytes) or not isinstance(rows, Sequence):
        rule = f"rows must be a list, one example each, found {json_type(rows)} {quoted(rows)}"
        raise DataError(Problem(ROWS, f"{rule}. Write [ … ] around a single row."))
    given = cast("Sequence[GivenRow]", rows)
    return RowTable(ROWS, lambda: iter(given), len(given))


def plain_data_keys(keys: Mapping[Any, object]) -> dict[Any, object]:
    """`keys` of a program with names in place of the tables under the keys that name data.

    Raises:
        ConfigError: A table of an unknown kind.
    """
    return {key: _name_of(value) if key in DATA_KEYS else value for key, value in keys.items()}


def data_name(source: object) -> str:
    """The name of data that a program gives: a path, `hf://…`, or rows in memory, which are kept under a name.

    Raises:
        DataError: Rows of an unknown kind.
    """
    return fspath(source) if isinstance(source, str | PathLike) else keep_rows(as_table(source))


def _name_of(value: object) -> object:
    try:
        return value if value is None or isinstance(value, bool | int | float) else data_name(value)
    except DataError as error:
        raise ConfigError(error.problems) from error


def _table_of_frame(frame: Any) -> RowTable:  # noqa: ANN401 (pandas is imported by whoever has a frame)
    filled = frame.astype(object).where(frame.notna(), None)
    filled.columns = list(map(str, filled.columns))
    twice = next((name for name in filled.columns if list(filled.columns).count(name) > 1), None)
    if twice is not None:
        raise DataError(Problem(ROWS, f"a column must occur once in a frame, found {quoted(twice)} twice. Rename one."))
    rows = [
        {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}
        for row in filled.to_dict("records")
    ]
    return RowTable(ROWS, lambda: iter(rows), len(rows), columns=list(filled.columns))
