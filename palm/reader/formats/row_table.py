"""Rows that stand in no text file: of a parquet file, a workbook, a hub data set, or a program's table."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, final, overload

from palm.data.dataset import ROWS, DataSource, GivenRow
from palm.errors import DataError, Problem, counted
from palm.reader.formats.columns import with_class_names

ColumnNames = Sequence[str]
GivenData = Any
"""Rows in memory: a list of mappings, a pandas DataFrame, or a `datasets.Dataset`, whose packages are not imported."""
_INSTALL = 'pip install "paddle-palm[data]"'


@final
class RowTable(Sequence[GivenRow]):
    """The rows of a table by the names of its columns; they are read whenever they are iterated.

    Args:
        source: Where they come from, for messages.
        rows: Starts an iteration.
        length: How many rows there are.
        columns: The names of the columns.
        label_names: ColumnNames of classes: column → names in the order of the ids that stand in its cells.
        first_line: The number of the first row in messages.
        fingerprint: A digest of the rows; by default it is computed.
    """

    def __init__(
        self,
        source: DataSource,
        rows: Callable[[], Iterator[GivenRow]],
        length: int,
        *,
        columns: ColumnNames = (),
        label_names: Mapping[str, ColumnNames] | None = None,
        first_line: int = 1,
        fingerprint: str | None = None,
    ) -> None:
        self.source = source
        self.columns = tuple(columns)
        self.first_line = first_line
        self._rows = rows
        self._length = length
        self._label_names = dict(label_names or {})
        self._fingerprint = fingerprint

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[GivenRow]:
        return self._rows()

    @overload
    def __getitem__(self, index: int) -> GivenRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[GivenRow]: ...
    def __getitem__(self, index: int | slice) -> GivenRow | list[GivenRow]:
        if isinstance(index, slice):
            return list(self)[index]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"The table has {counted(len(self), 'row')}. Found index {index}.")
        return next(islice(self, number, None))

    def label_names(self, column: str) -> tuple[str, ...] | None:
        """The names of the classes whose ids stand in `column`; None where its cells are labels themselves."""
        found = self._label_names.get(column)
        return None if found is None else tuple(found)

    def named_rows(self) -> Iterator[GivenRow]:
        """The rows with names of classes in place of their ids; an id of -1 is None."""
        if not self._label_names:
            return iter(self)
        return map(self._named, self)

    @property
    def fingerprint(self) -> str:
        """A digest of the rows, equal in another process."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for row in self:
                digest.update(
                    json.dumps(row, ensure_ascii=False, default=repr).encode("utf-8", "surrogatepass") + b"\n"
                )
            digest.update(json.dumps(self._label_names).encode())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def _named(self, row: GivenRow) -> GivenRow:
        if isinstance(row, str):
            return row
        return {name: with_class_names(value, self._label_names.get(name)) for name, value in row.items()}


def rows_in_blocks(blocks: Iterable[Mapping[str, Sequence[object]]]) -> Iterator[GivenRow]:
    """The rows of columns, block by block."""
    for block in blocks:
        names = list(block)
        for cells in zip(*block.values(), strict=True):
            yield dict(zip(names, cells, strict=True))


def needs_extra(source: DataSource, kind: str, error: ImportError) -> DataError:
    """The error where a package of the extra `data` is missing."""
    rule = f"{kind} are read by packages of the extra `data`"
    return DataError(Problem(str(source), f"{rule}. Found no module `{error.name}`. Install them: {_INSTALL}"))


def is_remote(name: str) -> bool:
    """Whether `name` stands for a data set of a hub, or for rows of a program, instead of a path."""
    return name.startswith((HUB_MARK, ROWS_MARK))


HUB_MARK, ROWS_MARK = "hf://", f"{ROWS}://"
_GIVEN: dict[str, RowTable] = {}


def keep_rows(table: RowTable) -> str:
    """Remember a program's table for the time of the process; its name, which follows from its rows."""
    name = f"{ROWS_MARK}{table.fingerprint[:16]}"
    _GIVEN[name] = table
    return name


def kept_rows(name: str) -> RowTable:
    """The table that `keep_rows` gave this name.

    Raises:
        DataError: Not in this process.
    """
    if name not in _GIVEN:
        rule = "rows of a program are known to the process that was given them. Found none of this name"
        raise DataError(Problem(name, f"{rule}. Hand the same rows over again, or name a file."))
    return _GIVEN[name]
