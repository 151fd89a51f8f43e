"""Reads files of texts with labelled spans: one JSON value per line, or a JSON list."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from palm.errors import DataError, Problem
from palm.reader.formats.cells import LONE_SURROGATE
from palm.reader.formats.files import FileProblems, read_lines, read_text
from palm.reader.formats.notes import LineCounts, add_note
from palm.reader.formats.span_rows import SpanText, has_spans, is_text_alone, span_text

SPACY_BINARY = ".spacy"
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
_BLANKS = " \t\n\r"
FORMS = (
    "doccano (`text`, `label: [[0, 4, PER]]`), Label Studio (`data`, `annotations`), spaCy ([text, {entities: …}]) or "
    "CLUENER (`label: {type: {mention: [[0, 3]]}}`)"
)

_OTHERS = "annotations of other kinds or annotators, which are ignored"
_IGNORED = (f"row has {_OTHERS}", f"rows have {_OTHERS}")


@dataclass(frozen=True)
class SpanRow:
    """A row of a file.

    Attributes:
        line: Its line, from 1.
        content: Its text and spans.
        fields: All of its fields, where it has any.
    """

    line: int
    content: SpanText
    fields: Mapping[str, object] = field(default_factory=dict)


def is_span_file(file: Path, text_field: str, label_field: str, *, may_be_text: bool, encoding: str = "utf-8") -> bool:
    """Whether the first row of a JSON file is a text with spans, or with `may_be_text` a text.

    Raises:
        DataError: The file cannot be read, or is binary.
    """
    if file.suffix.lower() == SPACY_BINARY:
        rule = "spaCy's DocBin is binary, which PALM does not read"
        raise DataError(Problem(str(file), f"{rule}. Write its texts and entities as JSON, [text, {{entities: …}}]."))
    if not file.name.lower().removesuffix(".gz").endswith(JSON_ENDINGS):
        return False
    first = _first_row(file, encoding)
    return has_spans(first, text_field, label_field) or (may_be_text and is_text_alone(first, text_field))


def read_span_file(
    file: Path,
    text_field: str,
    label_field: str,
    problems: FileProblems,
    *,
    encoding: str = "utf-8",
    become: str = "they become tags of words.",
) -> Iterator[SpanRow]:
    """The rows of `file`, one by one; invalid ones are skipped and added to `problems`. Its form is noted.

    Args:
        file: The file.
        text_field: The name of the text's field where it is none of the usual ones.
        label_field: The name of the spans' field where it is none of the usual ones.
        problems: Collects what is wrong.
        encoding: Encoding of the file.
        become: What becomes of the spans, for the note.

    Raises:
        DataError: The file cannot be read.
    """
    counts, forms = LineCounts(), dict[str, None]()
    found_any = False
    for line, value in _values(read_text(file, encoding), problems):
        content = span_text(value, text_field, label_field)
        fault = _fault(content)
        if fault is not None:
            problems.add(fault, line=line)
            continue
        if content.spans is not None:
            forms[content.form] = None
        if content.ignored:
            counts.add(_IGNORED, line)
        found_any = True
        yield SpanRow(line, content, value if isinstance(value, Mapping) else {})
    if not found_any and not problems.count:
        problems.add("a data file must contain examples, found no text. Name another file.")
    if forms:
        add_note(file, f"spans of characters in the form of {', '.join(forms)}; {become}")
    counts.note(file)


def _fault(content: SpanText) -> str | None:
    """Why a row is no text."""
    if content.text is None:
        return f"a row must be a text with spans, as in {FORMS}, {content.faults[0]}"
    if LONE_SURROGATE.search("".join([content.text, *(span.type for span in content.spans or ())])):
        return "a text must be Unicode text, found half of a surrogate pair. Correct the escape."
    return None


def _first_row(file: Path, encoding: str) -> object:
    first = next((line for line in read_lines(file, encoding) if line.strip()), "")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        value = next((value for _, value in _values(read_text(file, encoding), FileProblems(file))), None)
    return value[0] if isinstance(value, list) and value and not has_spans(value, "", "") else value


def _values(text: str, problems: FileProblems) -> Iterator[tuple[int, object]]:
    """Each JSON value of `text` with the line where it starts; those of a list one by one."""
    decoder = json.JSONDecoder()
    place, line, counted, in_list = 0, 1, 0, False
    while (place := _skip(text, place, "," if in_list else "")) < len(text):
        line, counted = line + text.count("\n", counted, place), place
        if text[place] == "[" and not in_list and not _is_pair(text, place, decoder):
            in_list, place = True, place + 1
            continue
        if text[place] == "]" and in_list:
            in_list, place = False, place + 1
            continue
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            problems.add(f"a row must be JSON, found invalid JSON: {reason}. Correct it.", line=line)
            place = len(text) if in_list else text.find("\n", place) % (len(text) + 1)
            continue
        yield line, value


def _is_pair(text: str, place: int, decoder: json.JSONDecoder) -> bool:
    """Whether a line holds spaCy's `[text, {…}]`, not a list of rows."""
    start = _skip(text, place + 1, "")
    return text[start : start + 1] == '"'


def _skip(text: str, place: int, also: str) -> int:
    while place < len(text) and text[place] in _BLANKS + also:
        place += 1
    return place
