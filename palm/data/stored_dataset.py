"""A data set as a folder: columns as memory-mapped npy files, records as JSON lines that are read one by one.

records.jsonl             the file's rows, one JSON object per line
records.offsets.npy       start of each line, and the end of the last
<column>.npy              one value per example
<column>.values.npy       a ragged column: its rows, concatenated,
<column>.offsets.npy      and the start of each
dataset.json              names of the columns, labels, notes
"""

import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, overload

import numpy as np
from numpy.lib import format as npy

from palm.data.dataset import Dataset, DataSource, LabelMap, Ragged, Record

RECORDS, OFFSETS, DESCRIPTION = "records.jsonl", "records.offsets.npy", "dataset.json"


class StoredRecords(Sequence[Record]):
    """Records on disk; each is parsed when it is accessed.

    Args:
        folder: A folder written by `write_records`.
    """

    def __init__(self, folder: Path) -> None:
        self._offsets = _mapped(folder / OFFSETS)
        with (folder / RECORDS).open("rb") as stream:
            empty = not self._offsets[-1]  # an empty file cannot be mapped
            self._text: mmap.mmap | bytes = b"" if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self._at(number) for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"The data set has {len(self)} records. Found index {index}.")
        return self._at(number)

    def __iter__(self) -> Iterator[Record]:
        return map(self._at, range(len(self)))

    def _at(self, number: int) -> Record:
        line = self._text[self._offsets[number] : self._offsets[number + 1]]
        record: Record = json.loads(line.decode("utf-8", "surrogatepass"))
        return record


def write_records(records: Iterable[Record], folder: Path) -> StoredRecords:
    """Write `records` one by one, so that they need not fit into memory together."""
    with (folder / RECORDS).open("wb") as text, _Column(folder / OFFSETS) as offsets:
        end, ends = 0, [0]
        for record in records:
            line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
            end += text.write(line.encode("utf-8", "surrogatepass"))
            ends.append(end)
            if len(ends) == _OFFSETS_AT_ONCE:
                offsets.append(np.array(ends, "int64"))
                ends = []
        offsets.append(np.array(ends, "int64"))
    return StoredRecords(folder)


def write_columns(parts: Iterable[Dataset], folder: Path) -> None:
    """Write the concatenated columns of data sets whose records are concatenated."""
    writer = _Columns(folder)
    with writer:
        for part in parts:
            writer.append(part)


def write_description(folder: Path, *, labels: LabelMap | None, notes: Sequence[str]) -> None:
    """Write everything except arrays: the labels, with what is known of them, and remarks about the file."""
    content = {
        "labels": None if labels is None else list(labels.names),
        "tag_scheme": None if labels is None else labels.tag_scheme,
        "splits_text": labels is not None and labels.splits_text,
        "words": None if labels is None else labels.words,
        "relations": [] if labels is None else list(labels.relations),
        "notes": list(notes),
    }
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (folder / DESCRIPTION).write_text(text, encoding="utf-8", errors="surrogatepass")


def read_dataset(folder: Path, file: DataSource) -> tuple[Dataset, LabelMap | None]:
    """The stored data set of `file`, with memory-mapped arrays, and the labels of its reader.

    Raises:
        OSError: A file is missing.
        ValueError: A file is damaged.
    """
    text = (folder / DESCRIPTION).read_text(encoding="utf-8", errors="surrogatepass")
    content = json.loads(text)
    labels = None
    if content["labels"] is not None:
        words = LabelMap.words_of(content["words"])
        known = content["tag_scheme"], content["splits_text"], words, tuple(content["relations"])
        labels = LabelMap(tuple(content["labels"]), *known)
    return Dataset(dict(_columns(folder)), StoredRecords(folder), file, tuple(content["notes"])), labels


def _columns(folder: Path) -> Iterator[tuple[str, Ragged | np.ndarray]]:
    for path in sorted(folder.glob("*.npy")):
        name, _, part = path.name.removesuffix(".npy").partition(".")
        if not part:
            yield name, _mapped(path)
        elif part == "values":
            yield name, Ragged(_mapped(path), _mapped(folder / f"{name}.offsets.npy"))


def _mapped(file: Path) -> np.ndarray:
    # A plain array over the map: slices of np.memmap itself are ten times slower.
    return np.load(file, mmap_mode="r", allow_pickle=False).view(np.ndarray)  # type: ignore[no-any-return]


_OFFSETS_AT_ONCE = 1 << 16


class _Column:
    """One growing npy file."""

    def __init__(self, file: Path) -> None:
        self._stream: BinaryIO = file.open("wb")
        self._dtype: np.dtype | None = None
        self.length = 0

    def __enter__(self) -> "_Column":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stream:
            if kind is None and self._dtype is not None:
                self._stream.seek(0)
                self._write_header(self._dtype)

    def append(self, values: np.ndarray) -> None:
        if self._dtype is None:
            self._dtype = values.dtype
            self._write_header(values.dtype)
        self._stream.write(np.ascontiguousarray(values, self._dtype).data)
        self.length += len(values)

    def _write_header(self, dtype: np.dtype) -> None:
        # numpy reserves space in the header for a larger length, so that it can be rewritten in place.
        shape = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (self.length,)}
        npy.write_array_header_1_0(self._stream, shape)


class _Columns:
    """The growing npy files of a data set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _Column] = {}
        self._stack = ExitStack()
        self._num_records = 0

    def __enter__(self) -> "_Columns":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def append(self, part: Dataset) -> None:
        for name, column in part.columns.items():
            if isinstance(column, Ragged):
                self._append_ragged(name, column)
            else:
                shifted = column + self._num_records if name == "record" else column
                self._file(name).append(shifted)
        self._num_records += len(part.records)

    def _append_ragged(self, name: str, column: Ragged) -> None:
        values, offsets = self._file(f"{name}.values"), self._file(f"{name}.offsets")
        shifted = column.offsets + values.length
        offsets.append(shifted[1:] if offsets.length else shifted)
        values.append(column.values)

    def _file(self, name: str) -> _Column:
        if name not in self._files:
            self._files[name] = self._stack.enter_context(_Column(self._folder / f"{name}.npy"))
        return self._files[name]
