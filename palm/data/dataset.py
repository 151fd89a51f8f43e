"""A tokenised data set: columns of numbers for the model, and the records of the file."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np

from palm.schema.fields import TagSchemeName

if TYPE_CHECKING:
    from numpy.typing import NDArray  # a third of numpy's import time

IntArray: TypeAlias = "NDArray[np.int64]"
Batch = dict[str, np.ndarray]
Record = Mapping[str, object]

DataSource = Path | str
"""Where records come from, for messages: a file, or `ROWS`."""

ROWS = "rows"
"""The source of rows that a program hands over: they stand in no file."""

GivenRow = Mapping[str, object] | str
"""A row that a program hands over: the reader's columns by name; a text alone where the reader takes no other."""

UNLABELLED = -100
"""Label id of positions without a label: [CLS], [SEP], padding, later tokens of a word, an unknown label."""


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one flat array, so that a data set can be stored and memory-mapped.

    Attributes:
        values: The rows one after another, `[tokens]`.
        offsets: Where each row starts, and the end of the last: `int64[rows + 1]`.
    """

    values: np.ndarray
    offsets: IntArray

    @classmethod
    def from_rows(cls, rows: Iterable[Sequence[int] | np.ndarray], dtype: str = "int32") -> "Ragged":
        """Pack `rows` into one array of element type `dtype`."""
        listed = list(rows)
        offsets = np.zeros(len(listed) + 1, "int64")
        np.cumsum([len(row) for row in listed], out=offsets[1:])
        if any(isinstance(row, np.ndarray) for row in listed):
            return cls(np.concatenate([np.asarray(row, dtype) for row in listed]), offsets)
        # Three times as fast as an array for each of the many short rows.
        return cls(np.fromiter(chain.from_iterable(listed), dtype, int(offsets[-1])), offsets)

    @property
    def lengths(self) -> IntArray:
        """Length of each row."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def padded(self, rows: IntArray, *, fill: int, width: int | None = None) -> np.ndarray:
        """`[rows width]`, each row padded with `fill` on the right; by default `width` is that of the longest row."""
        picked = [self[row] for row in rows]
        width = max((len(row) for row in picked), default=0) if width is None else width
        table = np.full((len(picked), width), fill, self.values.dtype)
        for line, row in zip(table, picked, strict=True):
            line[: len(row)] = row
        return table


def _rows_of(column: "Ragged | np.ndarray", kept: "NDArray[np.bool_]") -> "Ragged | np.ndarray":
    """The rows of a column for which `kept` is true."""
    if not isinstance(column, Ragged):
        return column[kept]
    lengths = column.lengths
    offsets = np.concatenate([[0], np.cumsum(lengths[kept])]).astype("int64")
    return Ragged(column.values[np.repeat(kept, lengths)], offsets)


def _one_column(parts: "Sequence[Ragged | np.ndarray]") -> "Ragged | np.ndarray":
    """Columns of one kind, one below the other."""
    ragged = [part for part in parts if isinstance(part, Ragged)]
    if len(ragged) < len(parts):
        return np.concatenate([part for part in parts if not isinstance(part, Ragged)])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in ragged]))]).astype("int64")
    return Ragged(np.concatenate([part.values for part in ragged]), offsets)


def joined_columns(parts: "Sequence[Dataset]") -> "dict[str, Ragged | np.ndarray]":
    """The columns of data sets of one reader, one below the other, with `record` as it is in each."""
    return {name: _one_column([part.columns[name] for part in parts]) for name in parts[0].columns}


class SomeRecords(Sequence[Record]):
    """Some of the records of a file, which may be on disk.

    Args:
        records: All records.
        numbers: Which of them, int64[records].
    """

    def __init__(self, records: Sequence[Record], numbers: IntArray) -> None:
        self._records, self._numbers = records, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self._records[int(number)] for number in self._numbers[index]]
        return self._records[int(self._numbers[index])]


class JoinedRecords(Sequence[Record]):
    """Records of several data sets, one after the other; those on disk stay there.

    Args:
        parts: The records of each.
    """

    def __init__(self, parts: Sequence[Sequence[Record]]) -> None:
        self._parts = tuple(parts)
        self._ends = list(accumulate(map(len, self._parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"There are {len(self)} records. Found index {index}.")
        part = bisect_right(self._ends, number)
        return self._parts[part][number - (self._ends[part - 1] if part else 0)]


@dataclass(frozen=True)
class AddedRows:
    """Records of a data set that do not stand in its file.

    Attributes:
        count: How many.
        origin: Where they come from, for messages.
    """

    count: int
    origin: str


@dataclass(frozen=True)
class Dataset:
    """Examples of one file, ready to be batched. An example is a row of the file, or a window of one (mrc).

    Attributes:
        columns: Arrays and ragged arrays, one row per example. `token_ids` (Ragged, with [CLS] and [SEP]) always
            exists; `record` (int64[examples]) is the index in `records` of each example's source.
        records: The file's rows in order, as the reader's docstring describes them: text, gold labels, answers.
        file: Where it was read from; `ROWS` where it was no file.
        notes: Remarks about the file for the user, one sentence each.
        added: Records behind those of the file.
    """

    columns: Mapping[str, Ragged | np.ndarray]
    records: Sequence[Record] = field(repr=False)
    file: DataSource
    notes: tuple[str, ...] = ()
    added: tuple[AddedRows, ...] = ()

    @property
    def lengths(self) -> IntArray:
        """Number of tokens of each example."""
        return self.ragged("token_ids").lengths

    @property
    def num_examples(self) -> int:
        """Number of examples."""
        return len(self.columns["record"])

    @property
    def records_of_file(self) -> int:
        """How many of the records stand in the file."""
        return len(self.records) - sum(part.count for part in self.added)

    def with_rows(self, other: "Dataset", origin: str) -> "Dataset":
        """The data set with the examples of another one of the same reader behind its own.

        Args:
            other: The other data set.
            origin: Where its rows come from, for messages.
        """
        both = (self, other)
        columns = joined_columns(both)
        columns["record"] = np.concatenate([self.array("record"), other.array("record") + len(self.records)])
        records = JoinedRecords([part.records for part in both])
        added = (*self.added, AddedRows(len(other.records), origin))
        return Dataset(columns, records, self.file, (*self.notes, *other.notes), added)

    def take(self, kept: "NDArray[np.bool_]") -> "Dataset":
        """The examples of some records, `bool[records]`, in the same order."""
        examples = kept[self.array("record")]
        numbers = np.cumsum(kept) - 1
        columns = {name: _rows_of(column, examples) for name, column in self.columns.items()}
        columns["record"] = numbers[self.array("record")[examples]]
        return Dataset(columns, SomeRecords(self.records, np.flatnonzero(kept)), self.file, self.notes)

    def ragged(self, name: str) -> Ragged:
        """The ragged column `name`."""
        column = self.columns[name]
        if not isinstance(column, Ragged):
            raise TypeError(f"Column `{name}` holds rows of one length. Use array().")
        return column

    def array(self, name: str) -> np.ndarray:
        """The column `name` that holds one value per example."""
        column = self.columns[name]
        if isinstance(column, Ragged):
            raise TypeError(f"Column `{name}` is ragged. Use ragged().")
        return column


def unused_label(number: int) -> str:
    """The name of class `number` of a head with more classes than labels: no label is called so."""
    return f"[unused{number}]"


def is_unused_label(name: str) -> bool:
    """Whether a class is one without a label."""
    return name.startswith("[unused") and name.endswith("]") and name[len("[unused") : -1].isdecimal()


@dataclass(frozen=True)
class LabelMap:
    """Label names and their ids: id `i` is `names[i]`.

    Attributes:
        names: Label names in the order of their ids.
        tag_scheme: Of the tags of words, how they mark spans; None where that is not known.
        splits_text: Of the tags of words, whether they come from texts with spans, which PALM has split into words.
        words: Of labels that are words in a prompt, the words of each label; None for other labels.
        relations: Of labels of spans, the names of relations between these, in the order of their ids.
    """

    names: tuple[str, ...]
    tag_scheme: TagSchemeName | None = field(default=None, compare=False)  # ids mean the same without it
    splits_text: bool = field(default=False, compare=False)
    words: tuple[tuple[str, ...], ...] | None = field(default=None, compare=False)
    relations: tuple[str, ...] = ()

    @staticmethod
    def words_of(saved: Iterable[Iterable[str]] | None) -> tuple[tuple[str, ...], ...] | None:
        """`words` as JSON gives them back."""
        return None if saved is None else tuple(map(tuple, saved))

    def __len__(self) -> int:
        return len(self.names)

    def ids(self) -> dict[str, int]:
        """Name → id."""
        return {name: number for number, name in enumerate(self.names)}
