"""A file of rows that is written again with more rows behind its own, in the same format: csv, tsv, JSON lines, txt.

A txt file without a header row holds `text<TAB>label`, one row per line, or texts alone, as PaddleNLP's few-shot
scripts read it. What a row's labels say of positions in its text cannot be kept: such files are refused.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from palm.errors import counted
from palm.reader.column_names import LABELS, PAIRS, TAGS, TEXTS, ColumnGuess
from palm.reader.formats.cells import json_type
from palm.reader.formats.columns import plain_name
from palm.reader.formats.delimited import Delimited, read_delimited, sniff
from palm.reader.formats.files import FileProblems, quoted, read_lines, read_text
from palm.reader.formats.json_rows import BLANK_LINE, json_form, read_json
from palm.reader.formats.tagged_lines import are_tagged_lines
from palm.registry import did_you_mean

Kind = Literal["json", "delimited", "txt"]
ExtendableRow = Mapping[str, object]

AUGMENTED = "augmented"
"""The field of JSON rows that are not in the original file."""

_GUESSES = (TEXTS, LABELS, PAIRS)
_NAMES = {name for guess in _GUESSES for names in (guess.columns, *guess.names) for name in names}
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".csv", ".tsv"), "delimited"),
    ".txt": "txt",
}
# Fields whose values point into a text, as objects do wherever they stand.
_POINTING = ("spans", "entities", "answers", "paragraphs", "qas", "answer_start", "relations")
_POINTS = (
    "the rows of a file to extend have labels of whole texts; tags, spans and answers would no longer fit other words"
)


@dataclass(frozen=True)
class ExtendableFile:
    """A file, and how one more row of it is written.

    Attributes:
        file: The file.
        kind: Its format.
        text: Its content, with a line break at its end.
        columns: The names of its columns: those of its header, of its first JSON object, or `text_a` and `label`.
        rows: Its rows.
        write_row: A row as a line, line break included.
    """

    file: Path
    kind: Kind
    text: str = field(repr=False)
    columns: tuple[str, ...]
    rows: Sequence[ExtendableRow] = field(repr=False)
    write_row: Callable[[ExtendableRow], str] = field(repr=False)

    def extended(self, rows: Sequence[ExtendableRow]) -> str:
        """The content with more rows; in JSON lines they are marked `"augmented": true`, other formats lack room."""
        marked = [{**row, AUGMENTED: True} if self.kind == "json" else row for row in rows]
        return self.text + "".join(map(self.write_row, marked))

    def text_columns(self, asked: Sequence[str] | None) -> list[str]:
        """The columns with the texts of the rows.

        Args:
            asked: Names of the file, or PALM's for a column that has another name there; by default they are guessed.

        Raises:
            DataError: They are not there, or hold something else than text.
        """
        problems = FileProblems(self.file)
        found = [self._column(name, problems) for name in asked] if asked else self._guessed(problems)
        problems.raise_all()
        for name in found:
            self._check_texts(name, problems)
        problems.raise_all()
        return found

    def _guessed(self, problems: FileProblems) -> list[str]:
        pairs = [names for names in (PAIRS.columns, *PAIRS.names) if set(names) <= self._plain.keys()]
        if pairs:
            return [self._plain[name] for name in pairs[0]]
        return [self._column(TEXTS.columns[0], problems)]

    def _column(self, name: str, problems: FileProblems) -> str:
        if name in self.columns:
            return name
        usual = [names[0] for names in TEXTS.names if names[0] in self._plain] if name in TEXTS.columns else []
        if len(usual) == 1:
            return self._plain[usual[0]]
        listed = ", ".join(self.columns)
        hint = did_you_mean(name, list(self.columns))
        problems.add(f"no column `{name}`.{hint} Found {listed}. Name those with texts: --columns NAME,NAME.")
        return name

    @property
    def _plain(self) -> dict[str, str]:
        """The columns by their names in lower case."""
        return {plain_name(name): name for name in reversed(self.columns)}

    def _check_texts(self, name: str, problems: FileProblems) -> None:
        for number, row in enumerate(self.rows, 1):
            value = row.get(name, "")
            if isinstance(value, list):
                problems.add(f"{_POINTS}. Found a list of words in `{name}`, row {number}. Name another file.")
            elif value is not None and not isinstance(value, str):
                found = f"found {json_type(value)} {quoted(value)} in row {number}"
                problems.add(f"`{name}` must be text, {found}. Name columns with texts.")
            if problems.count:
                return


def open_extendable(file: Path, *, encoding: str = "utf-8", header: bool = True) -> ExtendableFile:
    """Read a file to extend.

    Args:
        file: A csv, tsv, JSON-lines or txt file.
        encoding: Its encoding.
        header: Whether the first row of csv and tsv names the columns; without, they are numbers from 0.

    Raises:
        DataError: Every problem of the file; or its labels are those of words, spans or answers.
    """
    problems = FileProblems(file)
    kind = kind_of(file)
    if kind is None:
        listed = ", ".join(_KINDS)
        problems.add(f"{_POINTS}. They end in {listed}; found `{file.suffix}`. Convert it, or name another file.")
        problems.raise_all()
    if kind == "json":
        return _json_lines(file, encoding, problems)
    if kind == "txt" and header and not _has_names(file, encoding):
        return _plain_lines(file, encoding, problems)
    return _delimited(file, encoding, problems, header=header)


def kind_of(file: Path) -> Kind | None:
    """The format of a file, by its ending; None for others."""
    return _KINDS.get(file.suffix.lower())


def _json_lines(file: Path, encoding: str, problems: FileProblems) -> ExtendableFile:
    if json_form(file, encoding, _NAMES).is_document:
        rule = "a file to extend has one JSON object per line, with the label of a whole text"
        problems.add(f"{rule}; found a single document. Write lines, unless it has answers, as SQuAD has.")
        problems.raise_all()
    rows = [row for _, row in read_json(file, encoding, problems, None)]
    problems.raise_all()
    pointing = next((name for row in rows for name, value in row.items() if _points(name, value)), None)
    if pointing is not None:
        problems.add(f"{_POINTS}. Found the field `{pointing}`. Name another file.")
        problems.raise_all()
    text, end = _content(file, encoding)

    def write(row: ExtendableRow) -> str:
        return json.dumps(row, ensure_ascii=False) + end

    columns = dict.fromkeys(name for row in rows for name in row)
    return ExtendableFile(file, "json", text, tuple(columns), rows, write)


def _delimited(file: Path, encoding: str, problems: FileProblems, *, header: bool) -> ExtendableFile:
    delimiter = None if file.suffix.lower() == ".csv" else "\t"
    form = sniff(file, encoding, _NAMES, delimiter=delimiter, quoting=None)
    lines = list(read_delimited(file, encoding, form, problems))
    problems.raise_all()
    names = [name.strip() for name in lines[0][1]] if header else [str(number) for number in range(len(lines[0][1]))]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        problems.add(f"a column must occur once in the header row, found {quoted(twice)} twice. Rename one.", line=1)
    rows = []
    for line, cells in lines[1:] if header else lines:
        if len(cells) != len(names):
            found = BLANK_LINE if cells == [""] else f"expected {counted(len(names), 'column')}, found {len(cells)}."
            problems.add(found, line=line)
        rows.append(dict(zip(names, cells, strict=False)))
    problems.raise_all()
    _refuse_tags(names, rows, problems)
    text, end = _content(file, encoding)
    return ExtendableFile(file, "delimited", text, tuple(names), rows, lambda row: _cells_line(row, names, form, end))


def _plain_lines(file: Path, encoding: str, problems: FileProblems) -> ExtendableFile:
    """`text<TAB>label` without a header row; a line without a tab is a text without a label."""
    rows = []
    for number, line in enumerate(read_lines(file, encoding), 1):
        cells = line.split("\t")
        if not line.strip():
            problems.add(f"{BLANK_LINE} {_POINTS}.", line=number)
        elif len(cells) > 2:
            rule = "a line of a txt file is a text, or text, tab and label"
            problems.add(f"{rule}; found {counted(len(cells) - 1, 'tab')}. Remove the others.", line=number)
        rows.append(dict(zip(("text_a", "label"), cells, strict=False)))
    problems.raise_all()
    if are_tagged_lines(str(row["text_a"]) for row in rows if "label" not in row):
        problems.add(f"{_POINTS}. Found `word/TAG`. Name another file.")
    _refuse_tags(("text_a", "label"), rows, problems)
    text, end = _content(file, encoding)
    columns = ("text_a", "label") if any("label" in row for row in rows) else ("text_a",)
    return ExtendableFile(file, "txt", text, columns, rows, lambda row: "\t".join(map(str, row.values())) + end)


def _has_names(file: Path, encoding: str) -> bool:
    """Whether the first line is a header row with a name that is known."""
    cells = next(iter(read_lines(file, encoding)), "").split("\t")
    return len(cells) > 1 and not _NAMES.isdisjoint(map(plain_name, cells))


def _points(name: str, value: object) -> bool:
    """Whether a field says something of positions in a text."""
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) or plain_name(name) in (*_POINTING, *_tag_names())


def _tag_names() -> set[str]:
    """Names of columns with a tag per word, which are no names of labels as well."""
    return {names[0] for names in TAGS.names} - {names[0] for names in (LABELS.columns, *LABELS.names)}


def _refuse_tags(names: Sequence[str], rows: Sequence[ExtendableRow], problems: FileProblems) -> None:
    """Refuse a column of tags: by its name, or as every row has as many labels as words."""
    named = next((name for name in names if plain_name(name) in _tag_names()), None)
    text, label = (next((n for n in names if plain_name(n) in _called(guess)), None) for guess in (TEXTS, LABELS))
    if named is not None:
        problems.add(f"{_POINTS}. Found the column `{named}`. Name another file.")
    elif text is not None and label is not None:
        counts = [(len(str(row.get(text, "")).split()), len(str(row.get(label, "")).split())) for row in rows]
        if counts and all(words == labels for words, labels in counts) and max(counts)[0] > 1:
            problems.add(f"{_POINTS}. Found as many labels as words in every row. Name another file.")
    if any("\x02" in str(value) for row in rows for value in row.values()):
        problems.add(f"{_POINTS}. Found words separated by \\x02. Name another file.")
    problems.raise_all()


def _called(guess: ColumnGuess) -> set[str]:
    return {names[0] for names in (guess.columns, *guess.names)}


def _content(file: Path, encoding: str) -> tuple[str, str]:
    """The text of a file without empty lines at its end, and the line break that it uses."""
    text = read_text(file, encoding)
    end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    return text.rstrip("\r\n") + end, end


def _cells_line(row: ExtendableRow, names: Sequence[str], form: Delimited, end: str) -> str:
    cells = [str(row.get(name, "")) for name in names]
    if form.quoting == "none":
        return form.delimiter.join(cells) + end
    line = io.StringIO(newline="")
    doubled = form.quoting == "double"
    escape = None if doubled else "\\"
    csv.writer(line, delimiter=form.delimiter, doublequote=doubled, escapechar=escape, lineterminator=end).writerow(
        cells
    )
    return line.getvalue()
