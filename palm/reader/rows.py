"""Common code of the readers of whole texts (cls, match, mlm): rows to records, and labels to ids."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from palm.data.dataset import DataSource, GivenRow, LabelMap, Record
from palm.errors import counted
from palm.reader.fields import LabelledFields, TableFields
from palm.reader.formats.cells import (
    NO_LABEL,
    NO_TEXT,
    Row,
    json_type,
    kept_cells,
    label_at,
    label_text,
    labels_at,
    text_at,
)
from palm.reader.formats.columns import columns_of
from palm.reader.formats.conll import Sentence, read_conll
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.tables import source_of, table_rows
from palm.reader.formats.tagged_formats import tagged_format
from palm.reader.formats.tagged_lines import read_tagged_lines
from palm.reader.labels import LabelEncoder
from palm.reader.row_filter import RowFilter
from palm.spec import Phase


def parse_text_rows(
    source: Path | Sequence[GivenRow],
    config: TableFields,
    *,
    texts: tuple[str, ...],
    phase: Phase,
    gold: tuple[str, ...] = ("label",),
    read_gold: Callable[..., object] = label_at,
) -> Iterator[Record]:
    """Records with the columns `texts` and `gold`, parsed by `read_gold` (optional when predicting).

    Args:
        source: A file, or rows from a program.
        config: Keys of the reader.
        texts: PALM's names of the columns with text.
        phase: Purpose of the data.
        gold: PALM's names of the columns with labels.
        read_gold: The parser of these.

    Raises:
        DataError: All problems of the file or the rows, after the last one.
    """
    problems = FileProblems(source_of(source))
    columns = columns_of(config, texts=texts, gold=gold, phase=phase)
    rows = table_rows(source, config, columns, problems)
    row_filter = RowFilter(config, texts, phase, separator="|" if read_gold is labels_at else None)
    for row in row_filter.kept(rows, problems):
        record: dict[str, object] = {"line": row.line, **kept_cells(row, (*texts, *gold))}
        for name in (name for name in row.values if name in (*texts, *gold)):
            read = text_at if name in texts else read_gold
            record[name] = read(row, name, problems, may_be_empty=phase == "predict")
        yield record
    problems.raise_all()
    row_filter.add_notes(source_of(source))


def column_texts(records: Sequence[Record], name: str) -> list[str]:
    """The text `name` of each record."""
    return [str(record[name]) for record in records]


def check_pieces(
    records: Sequence[Record], pieces: Mapping[str, Sequence[Sequence[int]]], source: DataSource, phase: Phase
) -> None:
    """Refuse texts without tokens (only control characters), unless predicting.

    Raises:
        DataError: All of them, with their lines.
    """
    if phase == "predict":
        return
    problems = FileProblems(source)
    for name, rows in pieces.items():
        for record, ids in zip(records, rows, strict=True):
            if not ids:
                rule = (
                    f"`{name}` must contain text, found only blanks and control characters {quoted(str(record[name]))}"
                )
                problems.add(f"{rule}. {NO_TEXT}", line=int(str(record["line"])))
    problems.raise_all()


def class_ids(
    records: Sequence[Record], labels: LabelMap | None, config: LabelledFields, source: DataSource, phase: Phase
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The column `label_ids`, `int64[examples]` (none when predicting), and remarks about it.

    Raises:
        DataError: Unknown labels.
    """
    if phase == "predict":
        return {}, ()
    if labels is None:
        raise ValueError(
            "Labels are learnt from the training file before another file is encoded. Found `labels = None`."
        )
    problems = FileProblems(source)
    encoder = LabelEncoder(labels, config, phase, problems)
    ids = [encoder.id_of(str(record["label"]), int(str(record["line"]))) for record in records]
    encoder.raise_all()
    return {"label_ids": np.array(ids, "int64")}, encoder.notes()


PALM2_SEPARATOR = "\x02"


def parse_tagged(
    source: Path | Sequence[GivenRow], config: TableFields, phase: Phase, *, whole_texts: bool = False
) -> Iterator[Record]:
    r"""Records `{"words", "labels", "line"}`; no labels when predicting a file without them.

    Words and tags are separated by blanks, or by PALM 2's `\x02`, whose empty words are skipped with their tags; in
    jsonl they may be lists. With for_cn, a text without either is split into characters. With `whole_texts`, a text
    without tags is not split: its record is `{"text", "line"}`.

    Raises:
        DataError: All problems of the file or the rows, after the last one.
    """
    problems = FileProblems(source_of(source))
    found = tagged_format(config, source) if isinstance(source, Path) else "rows"
    if isinstance(source, Path) and found == "conll":
        if config.keep_columns and phase == "predict":
            rule = "keep_columns names columns of a table, and the lines of a CoNLL file are words."
            problems.add(f"{rule} Found keep_columns: {', '.join(config.keep_columns)}. Remove the key.")
        row_filter = RowFilter(config, (), phase)
        sentences = read_conll(source, problems, phase, config.columns, encoding=config.encoding)
        for row in row_filter.kept(map(_sentence_row, sentences), problems):
            words = row.values.pop("label", None)
            yield {"line": row.line, **row.values, **({} if words is None else {"labels": words})}
    else:
        columns = columns_of(config, texts=("text_a",), gold=("label",), phase=phase)
        if isinstance(source, Path) and found == "lines":
            rows = read_tagged_lines(source, problems, phase, config.encoding)
        else:
            rows = table_rows(source, config, columns, problems)
        row_filter = RowFilter(config, ("text_a",), phase, separator=" ")
        for row in row_filter.kept(rows, problems):
            if whole_texts and isinstance(row.values["text_a"], str) and "label" not in row.values:
                text = text_at(row, "text_a", problems, may_be_empty=phase == "predict")
                yield {"line": row.line, "text": text}
            else:
                yield tagged_record(row, config, problems, phase)
    problems.raise_all()
    row_filter.add_notes(source_of(source))


def _sentence_row(sentence: Sentence) -> Row:
    labels = {"label": sentence.labels} if sentence.labels else {}
    return Row(sentence.line, {"words": sentence.words, **labels})


def tagged_record(row: Row, config: TableFields, problems: FileProblems, phase: Phase) -> Record:
    """`{"words", "labels", "line"}` of a row with the columns `text_a` and `label`."""
    predicting = phase == "predict"
    words = _strings_at(row, "text_a", problems, may_be_empty=predicting, by_character=config.for_cn)
    labels: list[str] = []
    if "label" in row.values:
        labels = _strings_at(row, "label", problems, may_be_empty=predicting, by_character=False)
    if PALM2_SEPARATOR in str(row.values["text_a"]):
        words, labels = _without_empty_words(words, labels)
        if not words and not predicting:
            problems.add(f"`text_a` holds text, found it empty. {NO_TEXT}", line=row.line)
    record: dict[str, object] = {"line": row.line, "words": words, **kept_cells(row, ("text_a", "label"))}
    if "label" in row.values:
        if labels or not predicting:
            record["labels"] = labels
        if words and labels and len(words) != len(labels):
            rule = f"every word needs one tag, found {counted(len(words), 'word')} and {counted(len(labels), 'tag')}"
            problems.add(f"{rule} (`text_a` {quoted(' '.join(words))}). {_advice(config)}", line=row.line)
    return record


def _without_empty_words(words: list[str], labels: list[str]) -> tuple[list[str], list[str]]:
    r"""Words that are more than blanks, each with its tag: PALM 2 skips the others, such as behind the last `\x02`."""
    words, labels = _without_last_empty(words), _without_last_empty(labels)
    kept = [number for number, word in enumerate(words) if word.strip()]
    if len(words) == len(labels):
        return [words[number] for number in kept], [labels[number] for number in kept]
    return (words, labels) if labels else ([words[number] for number in kept], labels)


def _without_last_empty(strings: list[str]) -> list[str]:
    return strings[:-1] if strings and not strings[-1] else strings


def _advice(config: TableFields) -> str:
    if config.for_cn:
        return "Separate words and tags by blanks, or remove every blank of the text so that each character is a word."
    return "Separate both by blanks; for_cn makes each character of a text without blanks a word."


def _strings_at(row: Row, name: str, problems: FileProblems, *, may_be_empty: bool, by_character: bool) -> list[str]:
    """The words or tags in column `name`; an empty list after adding a problem."""
    value = row.values[name]
    if not isinstance(value, list):
        return split_words(text_at(row, name, problems, may_be_empty=may_be_empty), by_character=by_character)
    # Tags may be numbers, as the class ids of many published data sets are.
    items = [label_text(item) for item in value] if name == "label" else value
    wrong = [item for item, text in zip(value, items, strict=True) if not isinstance(text, str) or not text]
    if wrong:
        found = f"found {json_type(wrong[0])} {quoted(wrong[0])}"
        problems.add(f"`{name}` must be a list of non-empty strings, {found}. Write words in quotes.", line=row.line)
        return []
    if not items and not may_be_empty:
        advice = NO_LABEL if name == "label" else NO_TEXT
        problems.add(f"`{name}` must contain text, found it empty. {advice}", line=row.line)
    for item in items:
        text_at(Row(row.line, {name: item}), name, problems, may_be_empty=True)
    return [str(item) for item in items]


def split_words(text: str, *, by_character: bool) -> list[str]:
    r"""Words between `\x02` or blanks; with `by_character`, the characters of a text that has neither."""
    if PALM2_SEPARATOR in text:
        return text.split(PALM2_SEPARATOR)
    if by_character and " " not in text.strip(" "):
        return list(text.strip(" "))
    return [word for word in text.split(" ") if word]
