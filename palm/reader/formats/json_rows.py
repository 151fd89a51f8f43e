"""Reads JSON objects as rows: one per line, in a list, or in a list that is a field of an object."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from palm.reader.formats.cells import json_type
from palm.reader.formats.columns import plain_name
from palm.reader.formats.files import FileProblems, check_text, open_text, quoted, read_lines, read_text

JsonRow = tuple[int, Mapping[str, object]]
"""The line where an object starts, counted from 1, and the object."""

BLANK_LINE = "a line must contain one example, found a blank line. Remove it."
_WRAPPER = "data"
_BLANKS = re.compile(r"[ \t\n\r]*")
_CHUNK = 1 << 16  # characters
_DECODE = json.JSONDecoder().raw_decode


@dataclass(frozen=True)
class JsonForm:
    """Where the rows of a file are.

    Attributes:
        is_document: Whether the file is one JSON value; else each line is one.
        field: Of a document that is an object, the field with the list of rows.
    """

    is_document: bool
    field: str | None = None

    def __str__(self) -> str:
        if not self.is_document:
            return "one JSON object per line"
        return f"a list of JSON objects in {quoted(self.field)}" if self.field else "a list of JSON objects"


def read_json(file: Path, encoding: str, problems: FileProblems, names: Collection[str] | None) -> Iterator[JsonRow]:
    """The objects of `file` one by one; invalid ones are skipped and added to `problems`.

    Args:
        file: A file of text.
        encoding: Its encoding.
        problems: Collects the problems.
        names: Names of fields that rows may have; None if each line is a row.

    Raises:
        DataError: The file cannot be read, or is one JSON value without a list of rows.
    """
    if names is not None and _is_document(file, encoding, names):
        return _document_rows(file, encoding, problems)
    return _line_rows(read_lines(file, encoding), problems)


def json_form(file: Path, encoding: str, names: Collection[str]) -> JsonForm:
    """Where the rows of `file` are.

    Args:
        file: A file of text.
        encoding: Its encoding.
        names: Names of fields that rows may have.

    Raises:
        DataError: The file cannot be read, or is one JSON value without a list of rows.
    """
    if not _is_document(file, encoding, names):
        return JsonForm(is_document=False)
    if _is_list(file, encoding):
        return JsonForm(is_document=True)
    problems = FileProblems(file)
    text = read_text(file, encoding)
    return JsonForm(is_document=True, field=_list_of(_document(text, problems), problems))


def _parse_object(line: str, number: int, problems: FileProblems) -> dict[str, object] | None:
    """The JSON object of one line, or None after adding a problem."""
    if not line.strip():
        problems.add(BLANK_LINE, line=number)
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} (column {error.colno})" if isinstance(error, json.JSONDecodeError) else str(error)
        problems.add(
            f"a line must be a JSON object, found invalid JSON: {reason}. Correct it, or set file_format.", line=number
        )
        return None
    if not isinstance(found, dict):
        problems.add(
            f"a line must be a JSON object, found {json_type(found)} {quoted(found)}. Write {{…}}.", line=number
        )
        return None
    return found


def _line_rows(lines: Iterator[str], problems: FileProblems) -> Iterator[JsonRow]:
    for number, line in enumerate(lines, 1):
        found = _parse_object(line, number, problems)
        if found is not None:
            yield number, found


def _is_document(file: Path, encoding: str, names: Collection[str]) -> bool:
    """Whether `file` is one JSON value: by its first line, or as its only line is an object around rows."""
    if _is_list(file, encoding, on_a_long_line=True):
        return True
    filled = (line for line in read_lines(file, encoding) if line.strip())
    first, second = (*islice(filled, 2), "", "")[:2]
    try:
        found = json.loads(first)
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(first.rstrip())
        return first.lstrip().startswith("[") or (is_cut and bool(second) and not second.lstrip().startswith("{"))
    except (ValueError, RecursionError):
        return False
    if isinstance(found, list):
        return not second
    is_wrapper = isinstance(found, dict) and set(map(plain_name, names)).isdisjoint(map(plain_name, found))
    return not second and is_wrapper and any(map(_is_list_of_rows, found.values()))


def _is_list_of_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _is_list(file: Path, encoding: str, *, on_a_long_line: bool = False) -> bool:
    """Whether the text starts with `[`; `on_a_long_line`: and its first line is too long to read it for a look."""
    check_text(file, encoding)
    with open_text(file, encoding, newline="") as stream:
        head, _ = _past_blanks(stream)
    return head.startswith("[") and not (on_a_long_line and ("\n" in head or len(head) < _CHUNK // 2))


def _document_rows(file: Path, encoding: str, problems: FileProblems) -> Iterator[JsonRow]:
    is_list = _is_list(file, encoding)
    for line, item in (_items_of_list if is_list else _items_of_object)(file, encoding, problems):
        if isinstance(item, dict):
            yield line, item
        else:
            rule = f"an item of the list must be a JSON object, found {json_type(item)} {quoted(item)}"
            problems.add(f"{rule}. Write {{column: text}}.", line=line)


def _items_of_object(file: Path, encoding: str, problems: FileProblems) -> Iterator[tuple[int, object]]:
    """The items of the list in an object, each with its line; the text is in memory."""
    text = read_text(file, encoding)
    field = _list_of(_document(text, problems), problems)
    line, end = 1, 0
    for start, item in _items(text, _start_of(text, field)):
        line, end = line + text.count("\n", end, start), start
        yield line, item


def _items_of_list(file: Path, encoding: str, problems: FileProblems) -> Iterator[tuple[int, object]]:
    """The items of a file that is a list, each with its line; one part of the text after the other is in memory."""
    with open_text(file, encoding, newline="") as stream:
        try:
            yield from _stream_items(stream)
        except (ValueError, RecursionError):
            _document(read_text(file, encoding), problems)  # says what is wrong, and where
            raise


def _stream_items(stream: TextIO) -> Iterator[tuple[int, object]]:
    """The items of the list that starts in `stream`, each with its line.

    Raises:
        ValueError: It is not JSON; or, as `RecursionError`, Python cannot read it.
    """
    text, line = _past_blanks(stream)
    place, is_first = 1, True
    while True:
        start = _after_blanks(text, place)
        if is_first and text.startswith("]", start):
            break
        found = _whole_item(text, start)
        if found is None:  # the item, or what follows it, is cut off
            more = stream.read(max(_CHUNK, len(text) - place))
            if not more:
                raise ValueError("the list does not end")
            text, place = text[place:] + more, 0
            continue
        item, end = found
        line += text.count("\n", place, start)
        yield line, item
        line += text.count("\n", start, end)
        place, is_first, start = end + 1, False, end
        if text[end] == "]":
            break
        if text[end] != ",":
            raise ValueError("no comma between items")
    if text[start + 1 :].strip(" \t\n\r") or _past_blanks(stream)[0]:
        raise ValueError("text behind the list")


def _whole_item(text: str, start: int) -> tuple[object, int] | None:
    """The item at `start` and the place of what follows it; None unless both are in `text`."""
    try:
        item, end = _DECODE(text, start)
    except json.JSONDecodeError:
        return None
    end = _after_blanks(text, end)
    return (item, end) if end < len(text) else None


def _past_blanks(stream: TextIO) -> tuple[str, int]:
    """The next part of the text from its first character that is not blank, and that character's line, from 1."""
    line = 1
    while part := stream.read(_CHUNK):
        place = _after_blanks(part, 0)
        line += part.count("\n", 0, place)
        if place < len(part):
            return part[place:], line
    return "", line


def _document(text: str, problems: FileProblems) -> object:
    """The JSON value `text`.

    Raises:
        DataError: It is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} (column {error.colno})"
        problems.add(
            f"the file must be JSON, found invalid JSON: {reason}. Correct it, or set file_format.", line=error.lineno
        )
    except (ValueError, RecursionError) as error:
        problems.add(f"the file must be JSON, found one that Python cannot read: {error}. Correct it.")
    problems.raise_all()
    return None


def _list_of(document: object, problems: FileProblems) -> str | None:
    """The field with the rows; None if the document itself is their list.

    Raises:
        DataError: There is no such field, or more than one.
    """
    if isinstance(document, list):
        return None
    fields = document if isinstance(document, dict) else {}
    found = [name for name, value in fields.items() if _is_list_of_rows(value)]
    if _WRAPPER in found:
        return _WRAPPER
    if len(found) == 1:
        return str(found[0])
    there = f"lists in {', '.join(map(quoted, found))}" if found else f"only {', '.join(map(quoted, fields))}"
    rule = "the file must be a list of JSON objects, or an object with one in `data`"
    advice = 'Write one object per row; pandas does with orient="records", lines=True'
    problems.add(f"{rule}, found {there if fields else json_type(document)}. {advice}.")
    problems.raise_all()
    return None


def _items(text: str, start: int) -> Iterator[tuple[int, object]]:
    """The items of the list at `start` in valid JSON, each with its place."""
    place = _after_blanks(text, start + 1)
    while text[place] != "]":
        item, end = _DECODE(text, place)
        yield place, item
        place = _after_blanks(text, end)
        if text[place] == ",":
            place = _after_blanks(text, place + 1)


def _start_of(text: str, field: str | None) -> int:
    """Where the list of rows starts in valid JSON."""
    place = _after_blanks(text, 0)
    if field is None:
        return place
    starts = {}
    while text[place] != "}":
        name, end = _DECODE(text, _after_blanks(text, place + 1))
        starts[name] = _after_blanks(text, _after_blanks(text, end) + 1)
        place = _after_blanks(text, _DECODE(text, starts[name])[1])
    return starts[field]


def _after_blanks(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    return found.end() if found else place
