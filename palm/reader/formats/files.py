"""Reads a data file as lines of text, and collects its problems."""

import codecs
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from pathlib import Path

from palm.data.dataset import DataSource
from palm.errors import DataError, Problem

MOST_LISTED = 20
LONGEST_QUOTE = 60
_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20


class FileProblems:
    """The problems of one file, or of rows from a program: the first ones in full, the rest as a number.

    Args:
        source: The file, as written by the user; or a name for other sources.
    """

    def __init__(self, source: DataSource) -> None:
        self.source = source
        self.count = 0
        self._listed: list[Problem] = []

    def add(self, message: str, *, line: int | None = None) -> None:
        """Add a problem of the whole file, or of one of its lines (counted from 1)."""
        self.count += 1
        if len(self._listed) < MOST_LISTED:
            self._listed.append(Problem(self._place(line), message))

    def raise_all(self) -> None:
        """Raise all problems; no effect without problems.

        Raises:
            DataError: There are problems.
        """
        rest = self.count - len(self._listed)
        if rest:
            raise DataError([*self._listed, Problem(str(self.source), f"and {rest} more.")])
        if self._listed:
            raise DataError(self._listed)

    def _place(self, line: int | None) -> str:
        """`x.tsv:17` in a file; for rows of a program their Python expression, `rows[16]`."""
        if line is None:
            return str(self.source)
        return f"{self.source}:{line}" if isinstance(self.source, Path) else f"{self.source}[{line - 1}]"


def read_lines(file: Path) -> Iterator[str]:
    r"""The lines of a UTF-8 file (with or without BOM; LF or CRLF), without empty lines at its end.

    Lines only end at `\n`: U+2028, U+0085 and form feeds are characters of the text. The whole file is checked
    first, then read line by line, so that it may be larger than memory.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or contains NUL characters.
    """
    problems = FileProblems(file)
    _check_there(file, problems)
    with _reading(file), file.open("rb") as stream:
        if not _is_text(iter(partial(stream.read, _BLOCK), b"")):
            stream.seek(0)
            _note_bad_lines(stream, problems)
    problems.raise_all()
    return _lines(file)


def _lines(file: Path) -> Iterator[str]:
    empty = 0
    with _reading(file), file.open("rb") as stream:
        for number, raw in enumerate(stream):
            content = raw.removeprefix(_BOM) if number == 0 else raw
            line = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
            if not line:
                empty += 1
                continue
            yield from repeat("", empty)
            empty = 0
            yield line


def read_text(file: Path) -> str:
    """The whole file as text, without BOM.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or contains NUL characters.
    """
    problems = FileProblems(file)
    _check_there(file, problems)
    with _reading(file):
        raw = file.read_bytes()
    if not _is_text([raw]):
        _note_bad_lines(raw.split(b"\n"), problems)
    problems.raise_all()
    return raw.removeprefix(_BOM).decode("utf-8")


def quoted(value: object) -> str:
    """`value` between backticks, shortened, with visible control characters."""
    text = value if isinstance(value, str) else repr(value)
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return "`" + "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown) + "`"


def _check_there(file: Path, problems: FileProblems) -> None:
    if not file.is_file():
        found = "a folder" if file.is_dir() else "nothing"
        problems.add(f"the data file must be a file, found {found}. Check the path.")
        problems.raise_all()


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            Problem(str(file), f"the file cannot be read: {error.strerror}. Check its permissions.")
        ) from error


def _is_text(blocks: Iterable[bytes]) -> bool:
    """Whether a file in `blocks` is UTF-8 without NUL, and not blank."""
    decoder, blank = codecs.getincrementaldecoder("utf-8")(), True
    try:
        for number, block in enumerate(blocks):
            content = block.removeprefix(_BOM) if number == 0 else block
            if b"\0" in content:
                return False
            blank = blank and not content.strip()
            decoder.decode(content)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return not blank


def _note_bad_lines(lines: Iterable[bytes], problems: FileProblems) -> None:
    """Add a problem for each line with a NUL or that is not UTF-8, and for an empty file."""
    blank = True
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        blank = blank and not line.strip()
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte 0x{line[error.start]:02x} (column {error.start + 1})"
            problems.add(
                f"a data file must be UTF-8, found {byte}. Convert the file, for example with iconv.", line=number
            )
        else:
            if b"\0" in line:
                problems.add(
                    "a data file must be text, found a NUL byte. Remove it, or convert the file from UTF-16.",
                    line=number,
                )
    if blank:
        problems.add("a data file must contain examples, found an empty file. Name another file.")
