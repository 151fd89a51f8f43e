"""Reads and tokenises all rows of a file in memory, with a bar on a terminal where it takes longer than a second."""

from collections.abc import Sequence
from dataclasses import replace

from palm.data.dataset import Dataset, DataSource, Record, joined_columns
from palm.errors import DataError
from palm.reader.base import Reader
from palm.reader.formats.sources import RowSource, source_name
from palm.runtime.progress import progress_bar, with_progress
from palm.spec import Phase

RECORDS_AT_ONCE = 2_000


def read_with_bar(reader: Reader, rows: RowSource, phase: Phase) -> list[Record]:
    """All records of a file or table, as `Reader.read` gives them.

    Raises:
        DataError: All problems, with file and line.
    """
    return list(with_progress(reader.records_of(rows, phase), f"reading {source_name(rows)}"))


def encode_with_bar(reader: Reader, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
    """The data set that `Reader.encode` gives; part by part, if the reader encodes records independently.

    Raises:
        DataError: All problems, with file and line.
    """
    if not reader.by_record or len(records) <= RECORDS_AT_ONCE:
        return reader.encode(records, source, phase)
    found = _parts(reader, records, source, phase)
    if not found:  # remarks and problems list and count over the whole file
        return reader.encode(records, source, phase)
    starts = range(0, len(records), RECORDS_AT_ONCE)
    moved = [
        replace(part, columns={**part.columns, "record": part.array("record") + start})
        for part, start in zip(found, starts, strict=True)
    ]
    return Dataset(joined_columns(moved), records, source)


def _parts(reader: Reader, records: Sequence[Record], source: DataSource, phase: Phase) -> list[Dataset]:
    """The data set of each part; none if one has problems or remarks."""
    found = []
    with progress_bar(f"tokenising {source}", len(records)) as advance:
        for start in range(0, len(records), RECORDS_AT_ONCE):
            rows = records[start : start + RECORDS_AT_ONCE]
            try:
                found.append(reader.encode(rows, source, phase))
            except DataError:
                return []
            if found[-1].notes:
                return []
            advance(len(rows))
    return found
