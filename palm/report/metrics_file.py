"""Reads metrics.jsonl as it grows: by lines, without holding the file, and from where the last call ended."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic_core import from_json

MetricsLine = Mapping[str, object]
"""A line of metrics.jsonl (docs/files.md)."""

AfterBytes = Callable[[int], object]
"""Receives the number of bytes of a part of a file that was read."""

ChosenLines = Callable[[list[bytes]], list[bytes]]
"""Chooses among lines of a file."""

_CHUNK = 1 << 18


class MetricsFile:
    """The lines of a file that a run appends to, or replaces when it resumes.

    A last line that is not ended yet is left for the next call; a line that is no JSON object is counted.

    Args:
        file: The file, which may not exist yet.
        after_bytes: Called with the number of bytes of each part that is read.
        chosen: Chooses among the lines of a part of the file those that are read; all by default.
    """

    def __init__(self, file: Path, after_bytes: AfterBytes | None = None, chosen: ChosenLines | None = None) -> None:
        self._file, self._after_bytes, self._chosen = file, after_bytes, chosen
        self._offset = 0
        self._identity: tuple[int, int] | None = None
        self.size = 0
        """Bytes of the file when it was last opened."""
        self.damaged = 0
        """Lines that are no JSON object, such as those of a power failure."""
        self.is_cut = False
        """Whether the last line is not ended: it is being written, or the run died while it was."""

    def was_replaced(self) -> bool:
        """Whether the file is another one than at the last call, or shorter, so that it is read from its beginning.

        A run that resumes rewrites it without the steps after its checkpoint, and a new run begins another one.
        """
        try:
            status = self._file.stat()
        except OSError:
            return self._reset() if self._identity else False
        same = self._identity in (None, (status.st_dev, status.st_ino)) and status.st_size >= self._offset
        return False if same else self._reset()

    def new_records(self) -> Iterator[MetricsLine]:
        """The lines since the last call, each as it is read."""
        for batch in self.new_batches():
            yield from batch

    def new_batches(self) -> Iterator[list[MetricsLine]]:
        """The lines since the last call, a list for each part of the file.

        Whoever stops between two lists gets the rest with the next call.
        """
        try:
            stream = self._file.open("rb")
        except OSError:
            return
        with stream:
            status = os.fstat(stream.fileno())
            self._identity, self.size = (status.st_dev, status.st_ino), status.st_size
            stream.seek(self._offset)
            rest = b""
            while chunk := stream.read(_CHUNK):
                if self._after_bytes is not None:
                    self._after_bytes(len(chunk))
                *lines, rest = (rest + chunk).split(b"\n")
                self._offset += sum(map(len, lines)) + len(lines)
                yield self._parsed(lines if self._chosen is None else self._chosen(lines))
            self.is_cut = bool(rest.strip())

    @property
    def fraction_read(self) -> float:
        """How much of the file was read, as long as it was when it was last opened."""
        return min(1.0, self._offset / self.size) if self.size else 1.0

    def _reset(self) -> bool:
        self._offset, self._identity, self.damaged, self.is_cut = 0, None, 0, False
        return True

    def _parsed(self, lines: list[bytes]) -> list[MetricsLine]:
        """The objects of lines. One array of all of them is read several times as fast as each by itself."""
        lines = [line for line in lines if line.strip()]
        try:
            records = from_json(b"[" + b",".join(lines) + b"]", cache_strings="keys")
        except (ValueError, RecursionError):
            records = []
        if len(records) != len(lines) or not all(type(record) is dict for record in records):
            records = [record for record in map(_object, lines) if record is not None]
            self.damaged += len(lines) - len(records)
        return list(records)


def _object(line: bytes) -> MetricsLine | None:
    """The object of a line; None where it holds none."""
    try:
        record = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
