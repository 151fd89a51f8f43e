"""Loads the JSON of files in SQuAD's format and its relatives: one value, or one per line; and their field names."""

import json
from collections.abc import Mapping
from pathlib import Path

from palm.reader.formats.cells import json_type
from palm.reader.formats.files import FileProblems, quoted, read_text

Numbered = tuple[int | None, object]
"""A JSON value and its line, counted from 1; None where the value is the whole file."""

MRQA_HEADER = "header"
_LINE_ENDINGS = (".jsonl", ".ndjson")
# SQuAD's name → those of MRQA, of CMRC 2018 as published, and of other relatives.
_OTHER_NAMES = {
    "context": ("context_text", "passage"),
    "question": ("query_text", "query"),
    "id": ("qid", "query_id", "question_id"),
}


def with_own_names(found: Mapping[str, object]) -> Mapping[str, object]:
    """`found` with SQuAD's names of its fields."""
    renamed = dict(found)
    for name, others in _OTHER_NAMES.items():
        known = next((other for other in others if other in renamed), None)
        if name not in renamed and known is not None:
            renamed[name] = renamed.pop(known)
    return renamed


def answers_of(qa: Mapping[str, object], *, with_offsets: bool) -> object:
    """The answers as a list of objects; what is in no known form as it is.

    Known are SQuAD's list, that of Hugging Face, `{"text": [...], "answer_start": [...]}`, a list of texts, and MRQA's
    `detected_answers`, which alone have offsets there.
    """
    answers = qa.get("answers")
    detected = qa.get("detected_answers")
    if isinstance(detected, list) and (with_offsets or answers is None):
        return [_detected(answer) for answer in detected]
    if isinstance(answers, list):
        return [{"text": answer} if isinstance(answer, str) else answer for answer in answers]
    if not isinstance(answers, Mapping) or "text" not in answers:
        return answers
    texts, starts = answers["text"], answers.get("answer_start")
    if not isinstance(texts, list):
        return [answers]
    if starts is None:
        return [{"text": text} for text in texts]
    if isinstance(starts, list) and len(starts) == len(texts):
        return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    return answers


def _detected(answer: object) -> object:
    """MRQA's answer with the first of the places where it starts."""
    if not isinstance(answer, Mapping) or "answer_start" in answer:
        return answer
    match answer.get("char_spans"):
        case [[int(start), int()], *_]:
            return {**answer, "answer_start": start}
    return answer


def load_json(file: Path, problems: FileProblems, encoding: str = "utf-8") -> list[Numbered]:
    """The file's JSON: one value, or one per line where it does not hold one alone.

    Raises:
        DataError: The file is not JSON.
    """
    text = read_text(file, encoding)
    named_lines = file.name.lower().removesuffix(".gz").endswith(_LINE_ENDINGS)
    try:
        return [(1 if named_lines else None, json.loads(text))]
    except json.JSONDecodeError as error:
        if named_lines or (error.msg == "Extra data" and "\n" in text[: error.pos]):
            return _load_lines(text, problems)
        problems.add(
            f"the file must be a JSON object, found invalid JSON: {error.msg} (column {error.colno}). Correct it.",
            line=error.lineno,
        )
    except (ValueError, RecursionError) as error:
        problems.add(
            f"the file must be a JSON object in SQuAD's format, found one that Python cannot read: {error}. Correct it."
        )
    problems.raise_all()
    return []


def _load_lines(text: str, problems: FileProblems) -> list[Numbered]:
    found: list[Numbered] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg} (column {error.colno})" if isinstance(error, json.JSONDecodeError) else str(error)
            problems.add(f"a line must be a JSON object, found invalid JSON: {reason}. Correct it.", line=number)
            continue
        if isinstance(value, dict):
            found.append((number, value))
        else:
            problems.add(f"a line must be a JSON object, found {json_type(value)} {quoted(value)}.", line=number)
    return found
