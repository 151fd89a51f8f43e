"""Rows for `palm pred` from words of the command line, from lines of stdin, and from a person at a prompt."""

import json
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from palm.errors import ConfigError, DataError, Problem

STDIN = "stdin"
MOST_LISTED = 20
TextRow = dict[str, object]


def row_of_texts(texts: Sequence[str], columns: Sequence[str]) -> TextRow:
    """The row whose `columns` are `texts`.

    Raises:
        ConfigError: They are not as many.
    """
    if len(texts) != len(columns):
        rule = f"{_count(len(columns))} ({', '.join(columns)}) goes here. Found {len(texts)}"
        advice = "Give the others, too." if len(texts) < len(columns) else "Put a text with blanks in quotes."
        raise ConfigError(Problem("palm pred", f"{rule}. {advice}"))
    return dict(zip(columns, texts, strict=True))


def read_lines() -> list[bytes]:
    """The lines of stdin.

    Raises:
        DataError: Stdin is closed, or without text.
    """
    if sys.stdin is None:
        raise DataError(Problem(STDIN, "texts are expected here. Found it closed. Give a text instead of -."))
    lines = sys.stdin.buffer.read().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if not any(line.strip() for line in lines):
        raise DataError(Problem(STDIN, "at least one line of text is expected. Found none. Pipe one in."))
    return lines


def rows_of_lines(lines: Sequence[bytes], columns: Sequence[str], names: Collection[str] = ()) -> list[TextRow]:
    """A row per line: its texts, separated by tabs, or a JSON object with `columns` and maybe others.

    Args:
        lines: The lines.
        columns: PALM's names of the texts.
        names: Other names by which a JSON object is known to be a row.

    Raises:
        DataError: Lines that are not UTF-8, or have fewer texts than there are columns.
    """
    problems: list[Problem] = []
    known = (columns[0], *names)
    rows = [_row(line.removesuffix(b"\r"), number, columns, known, problems) for number, line in enumerate(lines, 1)]
    if problems:
        raise DataError(problems[:MOST_LISTED])
    return rows


def _row(line: bytes, number: int, columns: Sequence[str], known: Collection[str], problems: list[Problem]) -> TextRow:
    where = f"{STDIN}:{number}"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} (column {error.start + 1})"
        problems.append(Problem(where, f"text must be UTF-8, found {found}. Convert it, for example with iconv."))
        return {}
    if "\0" in text:
        problems.append(Problem(where, "text must not contain NUL characters, found one. Remove it."))
    given = _json_row(text, known)
    if given is not None:
        return given
    cells = text.split("\t", len(columns) - 1) if len(columns) > 1 else [text]
    if len(cells) != len(columns):
        rule = f"{_count(len(columns))} ({', '.join(columns)}) is expected, separated by tabs"
        problems.append(Problem(where, f"{rule}. Found {len(cells)}. Write text, tab, text."))
    return dict(zip(columns, cells, strict=False))


def _count(number: int) -> str:
    return "one text" if number == 1 else f"a row of {number} texts"


def _json_row(text: str, known: Collection[str]) -> TextRow | None:
    """The JSON object in `text`, if it is one that has one of the `known` names."""
    if not text.lstrip().startswith("{"):
        return None
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict) and not set(known).isdisjoint(found):
            return found
    return None


def ask(columns: Sequence[str]) -> Iterator[TextRow]:
    """Rows that a person types: a prompt for each of `columns`, of which all but the first may stay empty.

    Ends with Ctrl-D.
    """
    with suppress(ImportError):  # line editing and history, where the platform has it
        import readline  # noqa: F401, PLC0415 (changes input())
    if sys.stdin is None:
        raise DataError(Problem(STDIN, "texts are expected here. Found it closed. Give a text instead of -i."))
    prompts = ["> "] if len(columns) == 1 else [f"{name}> " for name in columns]
    while True:
        row: TextRow = {}
        try:
            for name, prompt in zip(columns, prompts, strict=True):
                text = _input(prompt)
                row |= {name: text} if text.strip() else {}
        except EOFError:
            sys.stdout.write("\n")
            return
        if row:
            yield row


def _input(prompt: str) -> str:
    """A line; asks again after one that is not UTF-8."""
    while True:
        try:
            return input(prompt if sys.stdin.isatty() else "")
        except UnicodeDecodeError:
            sys.stderr.write("Text must be UTF-8. Type it again.\n")
