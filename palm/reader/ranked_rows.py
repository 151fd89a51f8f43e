"""Rows of the reader `rank` as records: a list of candidates each, from a row or from all rows of a text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from palm.data.dataset import GivenRow, Record
from palm.reader.fields import TableFields
from palm.reader.formats.cells import Row, kept_cells, number_at, text_at
from palm.reader.formats.columns import Columns, columns_of
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.tables import source_of, table_rows
from palm.reader.row_filter import RowFilter
from palm.spec import Phase

_LIST = ("text_a", "choices")
_PAIR = ("text_a", "text_b")
_JUDGED = ("positives", "negatives")
_GOLD = "relevance"
_GROUP = "group"


def parse_lists(
    source: Path | Sequence[GivenRow], config: TableFields, phase: Phase, *, is_judged: bool
) -> Iterator[Record]:
    """A record per row.

    Args:
        source: A file, or rows from a program.
        config: Keys of the reader.
        phase: Purpose of the data.
        is_judged: Whether rows with gold have `positives` and `negatives` instead of `choices` and `relevance`.

    Raises:
        DataError: All problems, after the last row.
    """
    problems = FileProblems(source_of(source))
    texts = ("text_a", *_JUDGED) if is_judged and phase != "predict" else _LIST
    gold = () if is_judged else (_GOLD,)
    row_filter = RowFilter(config, ("text_a",), phase)
    columns = columns_of(config, texts=texts, gold=gold, phase=phase)
    for row in row_filter.kept(table_rows(source, config, columns, problems), problems):
        text = text_at(row, "text_a", problems, may_be_empty=phase == "predict")
        candidates = _judged(row, problems) if len(texts) > len(_LIST) else _scored(row, problems, phase)
        yield {"line": row.line, "text_a": text, **candidates, **kept_cells(row, (*texts, _GOLD))}
    problems.raise_all()
    row_filter.add_notes(source_of(source))


def parse_pairs(source: Path | Sequence[GivenRow], config: TableFields, phase: Phase) -> Iterator[Record]:
    """A record per text with all its candidates, in the order in which the texts occur; to predict one per row.

    Raises:
        DataError: All problems, after the last row.
    """
    problems = FileProblems(source_of(source))
    row_filter = RowFilter(config, _PAIR, phase)
    predicting = phase == "predict"
    rows = row_filter.kept(table_rows(source, config, _pair_columns(config, phase), problems), problems)
    lists: dict[str, dict[str, object]] = {}
    for row in rows:
        pair = {name: text_at(row, name, problems, may_be_empty=predicting) for name in _PAIR}
        if predicting:
            yield {"line": row.line, **pair, **kept_cells(row, (*_PAIR, _GOLD, _GROUP))}
        else:
            _add_pair(lists, row, pair, problems)
    problems.raise_all()
    yield from lists.values()
    row_filter.add_notes(source_of(source))


def _pair_columns(config: TableFields, phase: Phase) -> Columns:
    columns = columns_of(config, texts=_PAIR, gold=(_GOLD,), phase=phase)
    if phase == "predict":
        return columns
    return Columns(columns.required, (_GROUP,), columns.names, columns.guesses)


def _add_pair(lists: dict[str, dict[str, object]], row: Row, pair: dict[str, str], problems: FileProblems) -> None:
    """Add a row to the list of its text, or of its group, whose rows must have the same text."""
    group = str(row.values.get(_GROUP, pair["text_a"]))
    record = lists.setdefault(group, {"line": row.line, "text_a": pair["text_a"], "choices": [], _GOLD: []})
    if record["text_a"] != pair["text_a"]:
        rule = f"rows of one group must have the same text_a, that of line {record['line']}"
        problems.add(f"{rule}, found {quoted(pair['text_a'])} in group {quoted(group)}. Correct it.", line=row.line)
    relevance = number_at(row, _GOLD, problems, may_be_empty=False)
    cast("list[object]", record["choices"]).append(pair["text_b"])
    cast("list[object]", record[_GOLD]).append(relevance)


def _scored(row: Row, problems: FileProblems, phase: Phase) -> dict[str, object]:
    """The candidates, and the relevance of each if the row says it."""
    choices = _texts(row, "choices", problems, least=1 if phase == "predict" else 2)
    if row.values.get(_GOLD) in (None, "", []) and phase == "predict":
        return {"choices": choices}
    cells = [Row(row.line, {_GOLD: part}) for part in _parts(row.values[_GOLD])]
    relevance = [number_at(cell, _GOLD, problems, may_be_empty=False) for cell in cells]
    if len(relevance) != len(choices):
        rule = f"`{_GOLD}` needs a number for each of {len(choices)} choices, found {len(relevance)}"
        problems.add(f"{rule}. Correct it.", line=row.line)
    return {"choices": choices, _GOLD: relevance}


def _judged(row: Row, problems: FileProblems) -> dict[str, object]:
    """The candidates that are right, with relevance 1, and then the others, with 0."""
    right, wrong = (_texts(row, name, problems, least=1) for name in _JUDGED)
    for text in set(right) & set(wrong):
        rule = f"a candidate is either among `positives` or among `negatives`, found {quoted(text)} in both"
        problems.add(f"{rule}. Remove one.", line=row.line)
    return {"choices": [*right, *wrong], _GOLD: [1.0] * len(right) + [0.0] * len(wrong)}


def _texts(row: Row, name: str, problems: FileProblems, *, least: int) -> list[str]:
    cells = [Row(row.line, {name: part}) for part in _parts(row.values[name])]
    texts = [text_at(cell, name, problems, may_be_empty=False) for cell in cells]
    if len(texts) < least:
        rule = f"`{name}` needs {least} or more candidates, `a|b` or a list"
        problems.add(f"{rule}, found {quoted(str(row.values[name]))}. Add some.", line=row.line)
    return texts


def _parts(value: object) -> list[object]:
    return value if isinstance(value, list) else list(value.split("|")) if isinstance(value, str) else [value]
