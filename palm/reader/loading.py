"""Loads data sets: tokenises files once, in parts that fit into memory, and maps them from the cache afterwards."""

import hashlib
import json
import logging
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import tokenizers

from palm.data.cache import (
    DATASETS_FOLDER,
    LIMIT_VARIABLE,
    PLACE_VARIABLE,
    cache_folder,
    cache_limit,
    entry_lock,
    evict,
    find_entry,
    readable_size,
)
from palm.data.dataset import ROWS, Dataset, DataSource, GivenRow, Record
from palm.data.stored_dataset import read_dataset, write_columns, write_description, write_records
from palm.errors import CheckpointError, DataError
from palm.reader.base import Reader
from palm.reader.encoding import encode_with_bar, read_with_bar
from palm.reader.formats.notes import collected_notes
from palm.reader.formats.row_table import RowTable
from palm.reader.formats.sources import RowSource, open_source, source_name
from palm.runtime.progress import progress_bar, with_progress
from palm.spec import Phase
from palm.storage.atomic_directory import atomic_directory, sha256_of
from palm.storage.layout import FORMAT_VERSION

_PACKAGE = Path(__file__).parent.parent
_SOURCES = ("data/*.py", "reader/**/*.py", "spec.py")


def cache_key(reader: Reader, suffix: str, phase: Phase, digest: str) -> str:
    """A sha256 over the data, the vocabulary, all settings, and the code and packages that affect the result.

    Args:
        reader: The reader of the file.
        suffix: The file's extension, which may determine its format.
        phase: Purpose of the data set.
        digest: sha256 of the file's content.
    """
    kind = type(reader)
    parts = {
        "data": digest,
        "suffix": suffix.lower(),
        "phase": phase,
        "reader": [kind.__module__, kind.__qualname__, kind.cache_version],
        "settings": reader.config.model_dump(mode="json"),
        "tokenizer": reader.tokenizer.fingerprint,
        "labels": None
        if reader.labels is None
        else [
            *(reader.labels.names, reader.labels.tag_scheme, reader.labels.splits_text, reader.labels.words),
            reader.labels.relations,
        ],
        "versions": [FORMAT_VERSION, tokenizers.__version__, unicodedata.unidata_version, _code()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    """sha256 of the modules that a data set depends on, so that no change leaves stale entries."""
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for file in sorted(_PACKAGE.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


# Smaller files are tokenised as fast as an entry is opened and verified.
SMALLEST_FILE = 128 << 10
SMALLEST_TABLE = 1000  # rows
RECORDS_AT_ONCE = 10_000
PATIENCE = 900.0  # seconds to wait for another process that tokenises the same file

LOG = logging.getLogger(__name__)
_WARNED_ABOUT: set[DataSource] = set()


@dataclass(frozen=True)
class _Source:
    """A file or table to load, with phase and a digest of its content."""

    rows: RowSource
    phase: Phase
    digest: str

    @property
    def name(self) -> DataSource:
        """Its name in messages."""
        return source_name(self.rows)

    @property
    def suffix(self) -> str:
        """The ending of a file."""
        return self.rows.suffix if isinstance(self.rows, Path) else ""

    def has_changed(self, reader: Reader) -> bool:
        """Whether the file, or one that `reader` reads with it, has other content than at first."""
        return isinstance(self.rows, Path) and _digest_of(reader, self.rows) != self.digest


def _digest_of(reader: Reader, file: Path) -> str:
    """A sha256 of the content of `file`, and of the files that are read together with it."""
    own, *others = map(sha256_of, (file, *reader.files_beside(file)))
    return hashlib.sha256("\n".join([own, *others]).encode()).hexdigest() if others else own


class _ChangedError(Exception):
    """The file was modified while it was read."""


class _NotesError(Exception):
    """A part of a file has remarks, which must be computed for the whole file."""


def load_dataset(reader: Reader, file: str | Path | RowTable, phase: Phase, *, report: bool = True) -> Dataset:
    """Read and tokenise a file, a hub data set or a table, or map it from the cache.

    In phase `train` the reader collects its labels, unless known. Without `report` the remarks about the file are not
    logged, which were when it was read before.

    Raises:
        DataError: All problems, with file and line.
        ConfigError: The size limit of the cache in the environment is not a size.
    """
    rows = open_source(file, reader.config)
    dataset = _load_cached(reader, rows, phase)
    if dataset is None:
        with collected_notes() as notes:
            records = read_with_bar(reader, rows, phase)
        reader.prepare(records, phase)
        dataset = _with_notes(encode_with_bar(reader, records, source_name(rows), phase), notes)
    for note in dataset.notes if report else ():
        LOG.warning("%s: %s", source_name(rows), note)
    return dataset


def _with_notes(dataset: Dataset, notes: Sequence[str]) -> Dataset:
    return replace(dataset, notes=(*notes, *dataset.notes)) if notes else dataset


def load_rows(reader: Reader, rows: Sequence[GivenRow], phase: Phase) -> Dataset:
    """Tokenise rows from a program, like those of a file in `load_dataset`.

    Raises:
        DataError: All problems, with their rows (`rows[2]`).
        ConfigError: The reader only reads files.
    """
    records = list(reader.parse_rows(rows, phase))
    reader.prepare(records, phase)
    return reader.encode(records, ROWS, phase)


def _load_cached(reader: Reader, rows: RowSource, phase: Phase) -> Dataset | None:
    """The data set of `rows`, and the labels for its reader; None if it is not or cannot be cached.

    Files to predict are not cached: they are read once, and may be private.

    Raises:
        DataError: All problems, with file and line.
        ConfigError: The size limit in the environment is not a size.
    """
    limit = cache_limit()
    if not limit or phase == "predict" or reader.cache_version is None:
        return None
    try:
        if _is_small(rows):
            return None
        source = _Source(rows, phase, _digest_of(reader, rows) if isinstance(rows, Path) else rows.fingerprint)
    except OSError:  # the reader reports the problem of the file
        return None
    home = cache_folder() / DATASETS_FOLDER
    try:
        folder = _entry(home, reader, source)
        if folder is None:
            return None
        dataset, labels = read_dataset(folder, source.name)
        dropped = evict(home, limit)
    except (OSError, CheckpointError) as error:
        _warn_once(home, f"the cache cannot be used, so text is tokenised in every run: {error}")
        return None
    except _ChangedError:
        _warn_once(source.name, "it was modified while it was read, so it is not cached.")
        return None
    if folder in dropped:
        size = readable_size(limit)
        _warn_once(source.name, f"its tokens take more than {size}, so it is not cached. Raise {LIMIT_VARIABLE}.")
    reader.labels = labels
    return dataset


def _is_small(rows: RowSource) -> bool:
    """Whether rows are tokenised as fast as an entry is opened and verified."""
    return rows.stat().st_size < SMALLEST_FILE if isinstance(rows, Path) else len(rows) < SMALLEST_TABLE


def _warn_once(about: DataSource, message: str) -> None:
    if about not in _WARNED_ABOUT:
        _WARNED_ABOUT.add(about)
        LOG.warning("%s: %s", about, message)


def _entry(home: Path, reader: Reader, source: _Source) -> Path | None:
    """The folder of the data set of `source`, written if missing; None if that has failed before."""
    key = cache_key(reader, source.suffix, source.phase, source.digest)
    found = find_entry(home, key)
    if found is not None or home in _WARNED_ABOUT:
        return found
    with entry_lock(home, key, patience=PATIENCE) as folder:
        if find_entry(home, key) is None:  # another process may have written it while we waited
            known = reader.labels
            try:
                with atomic_directory(folder, PLACE_VARIABLE) as aside:
                    _write(reader, source, aside)
                    if source.has_changed(reader):
                        raise _ChangedError
            finally:
                reader.labels = known
        return folder


def _write(reader: Reader, source: _Source, folder: Path) -> None:
    rows, phase = source.rows, source.phase
    with collected_notes() as found:
        if reader.by_record:
            read = with_progress(reader.records_of(rows, phase), f"reading {source.name}")
            records: Sequence[Record] = write_records(read, folder)
        else:
            records = reader.read(rows, phase)
    reader.prepare(records, phase)
    if reader.by_record:
        notes = _write_parts(reader, records, source, folder)
    else:
        whole = reader.encode(records, source.name, phase)
        write_records(whole.records, folder)
        write_columns([whole], folder)
        notes = whole.notes
    write_description(folder, labels=reader.labels, notes=(*found, *notes))


def _write_parts(reader: Reader, records: Sequence[Record], source: _Source, folder: Path) -> tuple[str, ...]:
    """Encode and write in parts; returns remarks about the file."""
    try:
        write_columns(_parts(reader, records, source), folder)
        return ()
    except (DataError, _NotesError):  # remarks list and count over the whole file
        whole = reader.encode(records, source.name, source.phase)
        write_columns([whole], folder)
        return whole.notes


def _parts(reader: Reader, records: Sequence[Record], source: _Source) -> Iterator[Dataset]:
    with progress_bar(f"tokenising {source.name}", len(records)) as advance:
        for start in range(0, len(records), RECORDS_AT_ONCE):
            rows = records[start : start + RECORDS_AT_ONCE]
            part = reader.encode(rows, source.name, source.phase)
            if part.notes:
                raise _NotesError
            advance(len(rows))
            yield part
