"""Reads a data file as lines of text, and collects what is wrong with it."""

from pathlib import Path

from palm.errors import DataError, Problem

MOST_LISTED = 20
LONGEST_QUOTE = 60


class FileProblems:
    """What is wrong with one file: the first problems in full, the rest as a number.

    Args:
        file: The file, as the user wrote its path.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.count = 0
        self._listed: list[Problem] = []

    def add(self, message: str, *, line: int | None = None) -> None:
        """Note a problem of the whole file, or of one of its lines (counted from 1)."""
        self.count += 1
        if len(self._listed) < MOST_LISTED:
            self._listed.append(Problem(f"{self.file}:{line}" if line else str(self.file), message))

    def raise_all(self) -> None:
        """Raise everything at once; do nothing where all is well.

        Raises:
            DataError: Something was noted.
        """
        rest = self.count - len(self._listed)
        if rest:
            raise DataError([*self._listed, Problem(str(self.file), f"and {rest} more.")])
        if self._listed:
            raise DataError(self._listed)


def read_lines(file: Path) -> list[str]:
    r"""The lines of a UTF-8 file (with or without BOM; LF or CRLF), empty lines at its end left out.

    A line ends at `\n` alone: U+2028, U+0085 and form feeds are characters of the text.

    Raises:
        DataError: No such file, nothing in it, bytes that are not UTF-8, NUL characters.
    """
    text = read_text(file)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def read_text(file: Path) -> str:
    """The whole file as text, without BOM.

    Raises:
        DataError: No such file, nothing in it, bytes that are not UTF-8, NUL characters.
    """
    problems = FileProblems(file)
    raw = _read_bytes(file, problems).removeprefix(b"\xef\xbb\xbf")
    _check_bytes(raw, problems)
    if not raw.strip():
        problems.add("a data file holds examples, found an empty file. Name another file.")
    problems.raise_all()
    return raw.decode("utf-8")


def quoted(value: object) -> str:
    """`value` between backticks, shortened, with control characters made visible."""
    text = value if isinstance(value, str) else repr(value)
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return "`" + "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown) + "`"


def _read_bytes(file: Path, problems: FileProblems) -> bytes:
    if not file.is_file():
        found = "a folder" if file.is_dir() else "nothing there"
        problems.add(f"a data file is wanted, found {found}. Check the path.")
        problems.raise_all()
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(
            Problem(str(file), f"the file cannot be read: {error.strerror}. Check its permissions.")
        ) from error


def _check_bytes(raw: bytes, problems: FileProblems) -> None:
    """Note each line that is not UTF-8 or has a NUL in it."""
    if b"\0" not in raw and _is_utf8(raw):
        return
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte 0x{line[error.start]:02x} (column {error.start + 1})"
            problems.add(f"a data file is UTF-8, found {byte}. Convert the file, for example with iconv.", line=number)
        else:
            if b"\0" in line:
                problems.add(
                    "a data file is text, found a NUL byte. Remove it, or convert the file from UTF-16.", line=number
                )


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
