"""Reads questions about paragraphs from json in SQuAD's format and its relatives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import cast

from palm.data.dataset import ROWS, GivenRow, Record
from palm.reader.formats.answer_offsets import NO_OFFSET, locate
from palm.reader.formats.cells import LONE_SURROGATE, json_type
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.notes import add_note
from palm.reader.formats.row_table import RowTable
from palm.reader.formats.squad_files import MRQA_HEADER, Numbered, answers_of, load_json, with_own_names
from palm.spec import Phase

Place = tuple[str, Mapping[str, object]]
NAMES_OF_TYPES = {dict: "an object", list: "a list", str: "a string", int: "a whole number", bool: "true or false"}


def read_squad(
    file: Path, phase: Phase, *, with_negative: bool, encoding: str = "utf-8", keep: Sequence[str] = ()
) -> list[Record]:
    """Records `{"id", "question", "context", "answers", "is_impossible", "line"}`, `line` the question's number.

    The file is SQuAD's object with `data`; or a list, or one object per line, of articles (`paragraphs`), paragraphs
    (`qas`; MRQA's too) or questions. What is found or respelt in answers is noted. When predicting, `kept` holds the
    fields of a question that `keep` names.

    Raises:
        DataError: All problems of the file.
    """
    problems = FileProblems(file)
    parser = _Parser(problems, phase, with_negative=with_negative, keep=keep)
    records = list(parser.records(load_json(file, problems, encoding)))
    if not records and not problems.count:
        problems.add("a data file must contain examples, found no question. Name another file.")
    problems.raise_all()
    parser.note(file)
    return records


def parse_questions(
    rows: Sequence[GivenRow], phase: Phase, *, with_negative: bool, keep: Sequence[str] = ()
) -> list[Record]:
    """Records of rows from a program, like those of a file in `read_squad`.

    A row is a question, `{"question", "context"}` with optional `id` (default: the row's number, from 0) and `answers`;
    or a paragraph, `{"context", "qas"}`; or an article, `{"paragraphs"}`, as in SQuAD.

    Raises:
        DataError: All problems of the rows.
    """
    source = rows.source if isinstance(rows, RowTable) else ROWS
    problems = FileProblems(source)
    parser = _Parser(problems, phase, with_negative=with_negative, keep=keep)
    records = list(parser.records_of_rows(rows))
    if not records and not problems.count:
        problems.add("rows must contain examples, found no question. Add some.")
    problems.raise_all()
    parser.note(source)
    return records


def _numbered(questions: Iterable[Record | None]) -> Iterator[Record]:
    """The records, with the number of each question, from 1; None is an invalid question."""
    for line, record in enumerate(questions, 1):
        if record is not None:
            yield {"line": line, **record}


class _Parser:
    """Traverses the parsed file and collects missing values and wrong types, by path (`data[0].qas[2]`)."""

    def __init__(self, problems: FileProblems, phase: Phase, *, with_negative: bool, keep: Sequence[str]) -> None:
        self._problems = problems
        self._phase = phase
        self._keep = keep if phase == "predict" else ()
        self._with_negative = with_negative
        self._place_of_id: dict[str, str] = {}
        self._line: int | None = None
        self._counts = dict.fromkeys(("found", "respelt", "empty"), 0)

    def records(self, found: Sequence[Numbered]) -> Iterator[Record]:
        """A record for each valid question of a file: one JSON value, or one per line with the lines' numbers."""
        missing = set(self._keep)
        for record in _numbered(chain.from_iterable(self._value(*value) for value in found)):
            missing.difference_update(cast("Mapping[str, object]", record.get("kept", {})))
            yield record
        for name in (name for name in self._keep if name in missing):
            self._problems.add(f"keep_columns names fields of questions, found none with {quoted(name)}. Correct it.")

    def records_of_rows(self, rows: Sequence[GivenRow]) -> Iterator[Record]:
        """A record for each valid question in `rows`."""
        return _numbered(chain.from_iterable(self._row(number, row) for number, row in enumerate(rows)))

    def note(self, source: Path | str) -> None:
        """Say what was changed in answers."""
        meanings = {
            "found": "answers have no answer_start and were found, as they occur once in their context",
            "respelt": "answers differ from their context in kinds of blanks or composed characters, which are taken "
            "from the context",
            "empty": "empty answers count as none (with_negative)",
        }
        for kind, count in self._counts.items():
            if count:
                add_note(source, f"{count} {meanings[kind]}.")

    def _value(self, line: int | None, value: object) -> Iterator[Record | None]:
        self._line = line
        if isinstance(value, list):
            yield from self._members("", {"": value}, "")
        elif not isinstance(value, dict):
            self._add(f"the file must be a JSON object with the field `data`, found {json_type(value)}.")
        elif MRQA_HEADER in value and len(value) == 1:
            return
        elif "data" not in value and {"paragraphs", "qas", "question", "query_text"} & set(value):
            yield from self._member("", value, str(line or 1))
        elif line is not None and "data" not in value:
            there = ", ".join(map(str, value)) or "nothing"
            self._add(f"a line must hold an article (paragraphs), a paragraph (qas) or a question, found {there}.")
        else:
            yield from self._members("", value, "data")

    def _members(self, place: str, parent: Mapping[str, object], name: str) -> Iterator[Record | None]:
        for number, (where, member) in enumerate(self._items(place, parent, name)):
            yield from self._member(where, member, str(number))

    def _member(self, place: str, found: Mapping[str, object], default_id: str) -> Iterator[Record | None]:
        """The questions of an article, a paragraph or a question alone."""
        member = with_own_names(found)
        if "qas" in member:
            yield from self._paragraph(place, member)
        elif "question" in member and "paragraphs" not in member:
            yield self._question(place, {"id": default_id, **member}, self._text(place, member, "context"))
        else:
            yield from self._article(place, member)

    def _row(self, number: int, row: object) -> Iterator[Record | None]:
        place = f"{ROWS}[{number}]"
        if not isinstance(row, Mapping):
            rule = f"`{place}` must be a mapping with question, context, found {json_type(row)} {quoted(row)}."
            self._add(f"{rule} Write {{column: text}}.")
        elif "paragraphs" in row or "qas" in row:
            yield from self._member(place, row, str(number))
        else:
            found = with_own_names(row)
            yield self._question(place, {"id": str(number), **found}, self._text(place, found, "context"))

    def _article(self, place: str, article: Mapping[str, object]) -> Iterator[Record | None]:
        for where, paragraph in self._items(place, article, "paragraphs"):
            yield from self._paragraph(where, with_own_names(paragraph))

    def _paragraph(self, place: str, paragraph: Mapping[str, object]) -> Iterator[Record | None]:
        context = self._text(place, paragraph, "context")
        for where, question in self._items(place, paragraph, "qas"):
            yield self._question(where, with_own_names(question), context)

    def _question(self, place: str, qa: Mapping[str, object], context: str | None) -> Record | None:
        name, question = self._id(place, qa), self._text(place, qa, "question")
        if name is None or question is None or context is None:
            return None
        where = place if self._line is None else f"line {self._line}{f', {place}' if place else ''}"
        if name in self._place_of_id:
            self._add(
                f"a question id must be unique, found {quoted(name)} at {self._place_of_id[name]} and {where}. "
                "Rename one: predictions are stored by id."
            )
            return None
        self._place_of_id[name] = where
        record: dict[str, object] = {"id": name, "question": question, "context": context}
        kept = {key: qa[key] for key in self._keep if key in qa and key not in record}
        record |= {"kept": kept} if kept else {}
        if self._phase == "predict" and not {"answers", "detected_answers"} & set(qa):
            return record
        answers = self._answers(place, qa, context)
        if answers is None:
            return None
        impossible = self._is_impossible(place, qa, answers, name)
        return {**record, "answers": [] if impossible else answers, "is_impossible": impossible}

    def _id(self, place: str, qa: Mapping[str, object]) -> str | None:
        value = qa.get("id")
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
            return str(int(value))
        return self._text(place, qa, "id")

    def _answers(self, place: str, qa: Mapping[str, object], context: str) -> list[dict[str, object]] | None:
        if "answers" not in qa and qa.get("is_impossible") in (True, 1):
            return []
        count = self._problems.count
        listed = qa if "answers" not in qa and "detected_answers" not in qa else self._with_listed_answers(qa)
        answers = [self._answer(*answer, context) for answer in self._items(place, listed, "answers")]
        return [answer for answer in answers if answer is not None] if self._problems.count == count else None

    def _with_listed_answers(self, qa: Mapping[str, object]) -> Mapping[str, object]:
        return {**qa, "answers": answers_of(qa, with_offsets=self._phase == "train")}

    def _answer(self, place: str, answer: Mapping[str, object], context: str) -> dict[str, object] | None:
        if self._with_negative and answer.get("text") == "":
            self._counts["empty"] += 1
            return None
        text = self._text(place, answer, "text")
        start = answer.get("answer_start")
        if isinstance(start, float) and start.is_integer():
            start = int(start)
        if start is not None and (not isinstance(start, int) or isinstance(start, bool)):
            if self._phase == "train":
                self._missing_or_wrong(place, answer, "answer_start", int)
            start = None
        if text is None:
            return {"text": "", "answer_start": NO_OFFSET}
        found = locate(text, start, context)
        self._counts["found"] += found.is_found and self._phase == "train"
        self._counts["respelt"] += found.is_respelt
        is_unknown = found.start == NO_OFFSET and start is not None
        return {"text": found.text, "answer_start": start if is_unknown else found.start}

    def _is_impossible(self, place: str, qa: Mapping[str, object], answers: list[dict[str, object]], name: str) -> bool:
        """Whether the question has no answer; a problem if not allowed."""
        impossible = qa.get("is_impossible")
        if impossible is None:
            impossible = not answers
        if not isinstance(impossible, bool) and not (isinstance(impossible, int) and impossible in (0, 1)):
            self._missing_or_wrong(place, qa, "is_impossible", bool)
            return False
        impossible = bool(impossible) or not answers
        if impossible and not self._with_negative and self._phase != "predict":
            self._add(
                f"every question needs an answer, found none for {quoted(name)} ({place or 'the question'}). "
                "Remove it, or set with_negative: true."
            )
        return impossible

    def _items(self, place: str, parent: Mapping[str, object], name: str) -> list[Place]:
        """The objects in the list `name`, each with its path."""
        values = parent.get(name)
        if not isinstance(values, list):
            self._missing_or_wrong(place, parent, name, list)
            return []
        places = [(f"{place}.{name}[{number}]".lstrip("."), value) for number, value in enumerate(values)]
        for where, value in places:
            if not isinstance(value, dict):
                self._add(f"`{where}` must be an object, found {json_type(value)}.")
        return [(where, value) for where, value in places if isinstance(value, dict)]

    def _text(self, place: str, parent: Mapping[str, object], name: str) -> str | None:
        """The text `name`, or None after adding a problem."""
        value = parent.get(name)
        where = f"{place}.{name}".lstrip(".")
        if not isinstance(value, str):
            self._missing_or_wrong(place, parent, name, str)
        elif LONE_SURROGATE.search(value):
            self._add(
                f"`{where}` must be Unicode text, found half of a surrogate pair in {quoted(value)}. "
                "Correct the escape."
            )
        elif not value.strip() and not self._may_be_empty(name):
            self._add(f"`{where}` must contain text, found it empty. Fill it in, or remove the question.")
        else:
            return value
        return None

    def _may_be_empty(self, name: str) -> bool:
        """Questions may (in training according to on_bad_answer); contexts when predicting."""
        return name == "question" or (name == "context" and self._phase == "predict")

    def _missing_or_wrong(self, place: str, parent: Mapping[str, object], name: str, wanted: type) -> None:
        where = f"{place}.{name}".lstrip(".")
        kind = NAMES_OF_TYPES[wanted]
        found = (
            f"found {json_type(parent[name])} {quoted(parent[name])}"
            if name in parent
            else f"found only {', '.join(map(str, parent)) or 'nothing'}"
        )
        self._add(f"`{where}` must be {kind}, {found}.")

    def _add(self, message: str) -> None:
        self._problems.add(message, line=self._line)
