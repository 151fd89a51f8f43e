"""Reads metrics.jsonl as it grows: by lines, without holding the file, and from where the last call ended."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic_core import from_json

MetricsLine = Mapping[str, object]
"""A line of metrics.jsonl (docs/files.md)."""

AfterBytes = Callable[[int], object]
"""Receives the number of bytes of a part of a file that was read."""

_CHUNK = 1 << 20


class MetricsFile:
    """The lines of a file that a run appends to, or replaces when it resumes.

    A last line that is not ended yet is left for the next call; a line that is no JSON object is counted.

    Args:
        file: The file, which may not exist yet.
        after_bytes: Called with the number of bytes of each part that is read.
    """

    def __init__(self, file: Path, after_bytes: AfterBytes | None = None) -> None:
        self._file = file
        self._after_bytes = after_bytes
        self._offset = 0
        self._identity: tuple[int, int] | None = None
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
        try:
            stream = self._file.open("rb")
        except OSError:
            return
        with stream:
            status = os.fstat(stream.fileno())
            self._identity = status.st_dev, status.st_ino
            stream.seek(self._offset)
            rest = b""
            while chunk := stream.read(_CHUNK):
                if self._after_bytes is not None:
                    self._after_bytes(len(chunk))
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._offset += len(line) + 1
                    yield from self._parsed(line)
            self.is_cut = bool(rest.strip())

    def _reset(self) -> bool:
        self._offset, self._identity, self.damaged, self.is_cut = 0, None, 0, False
        return True

    def _parsed(self, line: bytes) -> Iterator[MetricsLine]:
        if not line.strip():
            return
        try:
            record = from_json(line)  # three times as fast as the standard library
        except ValueError:
            record = None
        if isinstance(record, dict):
            yield record
        else:
            self.damaged += 1
