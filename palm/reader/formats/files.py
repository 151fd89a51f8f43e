"""Reads a data file as lines of text, and collects its problems."""

import codecs
import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from io import TextIOWrapper
from itertools import chain, islice, repeat
from pathlib import Path
from typing import BinaryIO, Literal, TextIO, cast

from palm.data.dataset import DataSource
from palm.errors import DataError, Problem
from palm.reader.formats.encodings import codec_of, looks_like

MOST_LISTED = 20
LONGEST_QUOTE = 60
_BLOCK = 1 << 20
_BLANKS = " \t\n\r\v\f\ufeff"
_GZIP = b"\x1f\x8b"
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an xlsx workbook. Unpack the archive; a workbook's name ends in .xlsx"),
    (b"PAR1", "a parquet file. Let its name end in .parquet"),
    (b"ARROW1", "an arrow file. Let its name end in .arrow"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls). Save it as .xlsx or csv"),
    (b"BZh", "a bzip2 file. Unpack it, or pack it with gzip"),
    (b"\xfd7zXZ", "an xz file. Unpack it, or pack it with gzip"),
)
_LFS = b"version https://git-lfs"
_CONVERT = "Convert the file, for example with iconv, or set `encoding`."
_MOST_SNIFFED = 1000  # lines that are looked at to recognise an encoding


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


def read_lines(file: Path, encoding: str = "utf-8") -> Iterator[str]:
    r"""The lines of a text file (with or without BOM; LF or CRLF), without empty lines at its end; gzip is unpacked.

    Lines only end at `\n`: U+2028, U+0085 and form feeds are characters of the text. The whole file is checked
    first, then read line by line, so that it may be larger than memory.

    Raises:
        DataError: The file is missing, damaged or empty, not in `encoding`, or contains NUL characters.
    """
    check_text(file, encoding)
    return _lines(file, encoding)


def _lines(file: Path, encoding: str) -> Iterator[str]:
    empty = 0
    with open_text(file, encoding, newline="\n") as stream:
        for raw in stream:
            line = raw.removesuffix("\n").removesuffix("\r")
            if not line:
                empty += 1
                continue
            yield from repeat("", empty)
            empty = 0
            yield line


def read_text(file: Path, encoding: str = "utf-8") -> str:
    """The whole file as text, without BOM; gzip is unpacked.

    Raises:
        DataError: The file is missing, damaged or empty, not in `encoding`, or contains NUL characters.
    """
    check_text(file, encoding)
    with open_text(file, encoding, newline="") as stream:
        return stream.read()


@contextmanager
def open_text(file: Path, encoding: str, *, newline: Literal["", "\n"]) -> Iterator[TextIO]:
    """The text of `file`, which `check_text` has passed; `newline` as in `open`.

    Raises:
        DataError: The file cannot be read.
    """
    with open_bytes(file) as stream, TextIOWrapper(stream, codec_of(encoding), newline=newline) as text:
        yield text


@contextmanager
def open_bytes(file: Path) -> Iterator[BinaryIO]:
    """The bytes of `file`, unpacked if it is gzip, whatever its name.

    Raises:
        DataError: The file cannot be read, or it is truncated or damaged gzip.
    """
    try:
        with file.open("rb") as stream:
            is_packed = stream.read(len(_GZIP)) == _GZIP
            stream.seek(0)
            with gzip.GzipFile(fileobj=stream) if is_packed else nullcontext(stream) as unpacked:
                yield cast("BinaryIO", unpacked)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        rule = "a packed file must be complete gzip, found it truncated or damaged"
        raise DataError(Problem(str(file), f"{rule} ({error}). Copy or download it again.")) from error
    except OSError as error:
        rule = f"the file cannot be read: {error.strerror}"
        raise DataError(Problem(str(file), f"{rule}. Check its permissions.")) from error


def check_text(file: Path, encoding: str) -> None:
    """Read the whole file once, block by block.

    Raises:
        DataError: The file is missing, damaged or empty, not in `encoding`, or contains NUL characters.
    """
    problems = FileProblems(file)
    _check_there(file, problems)
    with open_bytes(file) as stream:
        head = stream.read(_BLOCK)
        if head.startswith(_LFS):
            rule = "a data file must contain examples, found a pointer of Git LFS"
            problems.add(f"{rule}. Fetch the file itself with `git lfs pull`.")
        elif not _is_text(chain([head], iter(partial(stream.read, _BLOCK), b"")), encoding):
            _note_foreign(head, problems)
            stream.seek(0)
            _note_bad_lines(stream, encoding, problems)
    problems.raise_all()


def quoted(value: object) -> str:
    """`value` between backticks, shortened, with visible control characters."""
    text = value if isinstance(value, str) else repr(value)
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return "`" + "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown) + "`"


def _check_there(file: Path, problems: FileProblems) -> None:
    if not file.is_file():
        problems.add(
            f"the data file must be a file, found {'a folder' if file.is_dir() else 'nothing'}. Check the path."
        )
        problems.raise_all()


def _is_text(blocks: Iterable[bytes], encoding: str) -> bool:
    """Whether a file in `blocks` is in `encoding` without NUL, and not blank."""
    decoder, blank = codecs.getincrementaldecoder(codec_of(encoding))(), True
    try:
        for block in chain(blocks, [b""]):
            text = decoder.decode(block, final=not block)
            if "\0" in text:
                return False
            blank = blank and not text.strip(_BLANKS)
    except UnicodeDecodeError:
        return False
    return not blank


def _note_foreign(head: bytes, problems: FileProblems) -> None:
    """Refuse what is no text at all, by name.

    Raises:
        DataError: It is a file of another kind.
    """
    kind = next((kind for magic, kind in _FOREIGN if head.startswith(magic)), None)
    if kind is not None:
        problems.add(f"a data file must be text, found {kind}.")
        problems.raise_all()


def _note_bad_lines(stream: BinaryIO, encoding: str, problems: FileProblems) -> None:
    """Add a problem for each line with a NUL or that is not in `encoding`, and for an empty file.

    Where another encoding is recognised, the first line is enough.
    """
    head = stream.read(_BLOCK)
    stream.seek(0)
    foreign = islice((line for line in stream if not _is_in(line, encoding)), _MOST_SNIFFED)
    advice = looks_like(head, b"".join(foreign)) if encoding == "utf-8" else None
    stream.seek(0)
    blank = True
    for number, raw in enumerate(_byte_lines(stream, encoding), 1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        blank = blank and not line.strip()
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError as error:
            byte = f"byte 0x{line[error.start]:02x} (column {error.start + 1})"
            rule = f"a data file must be {encoding.upper()}, found {byte}"
            problems.add(f"{rule}. {advice or _CONVERT}", line=number)
            if advice:
                return
        else:
            if "\0" in text:
                rule = "a data file must be text, found a NUL byte"
                problems.add(f"{rule}. Remove it, or convert the file from UTF-16.", line=number)
    if blank:
        problems.add("a data file must contain examples, found an empty file. Name another file.")


def _byte_lines(stream: BinaryIO, encoding: str) -> Iterable[bytes]:
    """The lines of the file; all of it as one where a line feed is more than a byte."""
    return stream if "\n".encode(encoding).endswith(b"\n") and len("\n".encode(encoding)) == 1 else [stream.read()]


def _is_in(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
