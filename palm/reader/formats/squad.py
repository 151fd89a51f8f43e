"""Reads questions about paragraphs from json in SQuAD's format."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from palm.data.dataset import ROWS, GivenRow, Record
from palm.reader.formats.cells import LONE_SURROGATE, json_type
from palm.reader.formats.files import FileProblems, quoted, read_text
from palm.spec import Phase

Place = tuple[str, Mapping[str, object]]
NAMES_OF_TYPES = {dict: "an object", list: "a list", str: "a string", int: "a whole number", bool: "true or false"}


def read_squad(file: Path, phase: Phase, *, with_negative: bool, encoding: str = "utf-8") -> list[Record]:
    """Records `{"id", "question", "context", "answers", "is_impossible", "line"}`, `line` the question's number.

    Raises:
        DataError: All problems of the file.
    """
    problems = FileProblems(file)
    parser = _Parser(problems, phase, with_negative=with_negative)
    records = list(parser.records(_load(file, encoding, problems)))
    if not records and not problems.count:
        problems.add("a data file must contain examples, found no question. Name another file.")
    problems.raise_all()
    return records


def parse_questions(rows: Sequence[GivenRow], phase: Phase, *, with_negative: bool) -> list[Record]:
    """Records of rows from a program, like those of a file in `read_squad`.

    A row is a question, `{"question", "context"}` with optional `id` (default: the row's number, from 0) and `answers`;
    or a paragraph, `{"context", "qas"}`; or an article, `{"paragraphs"}`, as in SQuAD.

    Raises:
        DataError: All problems of the rows.
    """
    problems = FileProblems(ROWS)
    records = list(_Parser(problems, phase, with_negative=with_negative).records_of_rows(rows))
    if not records and not problems.count:
        problems.add("rows must contain examples, found no question. Add some.")
    problems.raise_all()
    return records


def _load(file: Path, encoding: str, problems: FileProblems) -> object:
    try:
        return json.loads(read_text(file, encoding))
    except json.JSONDecodeError as error:
        problems.add(
            f"the file must be a JSON object, found invalid JSON: {error.msg} (column {error.colno}). Correct it.",
            line=error.lineno,
        )
    except (ValueError, RecursionError) as error:
        problems.add(
            f"the file must be a JSON object in SQuAD's format, found one that Python cannot read: {error}. Correct it."
        )
    problems.raise_all()
    return None


def _numbered(questions: Iterable[Record | None]) -> Iterator[Record]:
    """The records, with the number of each question, from 1; None is an invalid question."""
    for line, record in enumerate(questions, 1):
        if record is not None:
            yield {"line": line, **record}


class _Parser:
    """Traverses the parsed file and collects missing values and wrong types, by path (`data[0].qas[2]`)."""

    def __init__(self, problems: FileProblems, phase: Phase, *, with_negative: bool) -> None:
        self._problems = problems
        self._phase = phase
        self._with_negative = with_negative
        self._place_of_id: dict[str, str] = {}

    def records(self, found: object) -> Iterator[Record]:
        """A record for each valid question."""
        if not isinstance(found, dict):
            self._problems.add(f"the file must be a JSON object with the field `data`, found {json_type(found)}.")
            return
        questions = (self._article(*article) for article in self._items("", found, "data"))
        yield from _numbered(chain.from_iterable(questions))

    def records_of_rows(self, rows: Sequence[GivenRow]) -> Iterator[Record]:
        """A record for each valid question in `rows`."""
        return _numbered(chain.from_iterable(self._row(number, row) for number, row in enumerate(rows)))

    def _row(self, number: int, row: object) -> Iterator[Record | None]:
        place = f"{ROWS}[{number}]"
        if not isinstance(row, Mapping):
            rule = f"`{place}` must be a mapping with question, context, found {json_type(row)} {quoted(row)}."
            self._problems.add(f"{rule} Write {{column: text}}.")
        elif "paragraphs" in row:
            yield from self._article(place, row)
        elif "qas" in row:
            yield from self._paragraph(place, row)
        else:
            yield self._question(place, {"id": str(number), **row}, self._text(place, row, "context"))

    def _article(self, place: str, article: Mapping[str, object]) -> Iterator[Record | None]:
        for paragraph in self._items(place, article, "paragraphs"):
            yield from self._paragraph(*paragraph)

    def _paragraph(self, place: str, paragraph: Mapping[str, object]) -> Iterator[Record | None]:
        context = self._text(place, paragraph, "context")
        for question in self._items(place, paragraph, "qas"):
            yield self._question(*question, context)

    def _question(self, place: str, qa: Mapping[str, object], context: str | None) -> Record | None:
        name, question = self._text(place, qa, "id"), self._text(place, qa, "question")
        if name is None or question is None or context is None:
            return None
        if name in self._place_of_id:
            self._problems.add(
                f"a question id must be unique, found {quoted(name)} at {self._place_of_id[name]} and {place}."
            )
            return None
        self._place_of_id[name] = place
        record: dict[str, object] = {"id": name, "question": question, "context": context}
        if self._phase == "predict" and "answers" not in qa:
            return record
        answers = self._answers(place, qa)
        if answers is None:
            return None
        impossible = self._is_impossible(place, qa, answers, name)
        return {**record, "answers": [] if impossible else answers, "is_impossible": impossible}

    def _answers(self, place: str, qa: Mapping[str, object]) -> list[dict[str, object]] | None:
        if qa.get("is_impossible") is True and "answers" not in qa:
            return []
        count = self._problems.count
        answers = [self._answer(*answer) for answer in self._items(place, qa, "answers")]
        return answers if self._problems.count == count else None

    def _answer(self, place: str, answer: Mapping[str, object]) -> dict[str, object]:
        text = self._text(place, answer, "text")
        start = answer.get("answer_start")
        is_number = isinstance(start, int) and not isinstance(start, bool)
        if self._phase == "train" and not is_number:
            self._missing_or_wrong(place, answer, "answer_start", int)
        return {"text": text or "", "answer_start": start if is_number else -1}

    def _is_impossible(self, place: str, qa: Mapping[str, object], answers: list[dict[str, object]], name: str) -> bool:
        """Whether the question has no answer; a problem if not allowed."""
        impossible = qa.get("is_impossible", not answers)
        if not isinstance(impossible, bool):
            self._missing_or_wrong(place, qa, "is_impossible", bool)
            return False
        impossible = impossible or not answers
        if impossible and not self._with_negative and self._phase != "predict":
            self._problems.add(
                f"every question needs an answer, found none for {quoted(name)} ({place}). "
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
                self._problems.add(f"`{where}` must be an object, found {json_type(value)}.")
        return [(where, value) for where, value in places if isinstance(value, dict)]

    def _text(self, place: str, parent: Mapping[str, object], name: str) -> str | None:
        """The text `name`, or None after adding a problem."""
        value = parent.get(name)
        if not isinstance(value, str):
            self._missing_or_wrong(place, parent, name, str)
        elif LONE_SURROGATE.search(value):
            self._problems.add(
                f"`{place}.{name}` must be Unicode text, found half of a surrogate pair in {quoted(value)}. "
                "Correct the escape."
            )
        elif not value.strip() and not self._may_be_empty(name):
            self._problems.add(
                f"`{place}.{name}` must contain text, found it empty. Fill it in, or remove the question."
            )
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
        self._problems.add(f"`{where}` must be {kind}, {found}.")
