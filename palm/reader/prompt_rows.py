"""Rows of few-shot learning: lines `text<TAB>label` without a header, and tables with any columns of text."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from palm.data.dataset import GivenRow, Record
from palm.errors import ConfigError, Problem
from palm.reader.column_names import LABELS, PAIRS, TEXTS
from palm.reader.formats.cells import Row, kept_cells, label_text, text_at
from palm.reader.formats.columns import Columns, columns_of, possible_names
from palm.reader.formats.files import FileProblems
from palm.reader.formats.json_rows import read_json
from palm.reader.formats.labelled_lines import read_labelled_lines
from palm.reader.formats.notes import add_note
from palm.reader.formats.plain_text import text_format
from palm.reader.formats.row_table import RowTable
from palm.reader.formats.tables import source_of, table_format, table_rows
from palm.reader.gold import TextLabelFields, gold_reader
from palm.reader.row_filter import RowFilter
from palm.spec import Phase

_LABEL, _NAMED = "label", "label_desc"
"""The id of a class and its name, in the files of FewCLUE."""

_IN_LINES = ("text_a", "text_b")
_OF_LINES = ","
"""Separates the labels of a line."""


def parse_prompt_rows(
    source: Path | Sequence[GivenRow],
    config: TextLabelFields,
    *,
    texts: tuple[str, ...],
    phase: Phase,
    known: Collection[str],
) -> Iterator[Record]:
    """Records with the columns `texts`, and `label`, which is optional when predicting.

    Args:
        source: A file, or rows from a program.
        config: Keys of the reader.
        texts: The columns of text that the prompt names.
        phase: Purpose of the data.
        known: The labels, if they are known.

    Raises:
        DataError: All problems of the file or the rows, after the last one.
        ConfigError: The prompt names columns that lines without a header do not have.
    """
    problems = FileProblems(source_of(source))
    is_lines = isinstance(source, Path) and _are_lines(config, source)
    if is_lines and isinstance(source, Path):
        rows = _line_rows(source, config, texts, problems, phase)
    else:
        rows = table_rows(source, config, _columns(source, config, texts, phase, known), problems)
    read_gold = gold_reader(config)
    separator = "|" if config.label_kind == "several" else None
    row_filter = RowFilter(config, [name for name in texts if name in _IN_LINES], phase, separator=separator)
    for row in row_filter.kept(rows, problems):
        record: dict[str, object] = {"line": row.line, **kept_cells(row, (*texts, _LABEL))}
        for name in texts:
            optional = phase == "predict" or name not in _IN_LINES
            record[name] = text_at(row, name, problems, may_be_empty=optional)
        if _LABEL in row.values:
            record[_LABEL] = read_gold(row, _LABEL, problems, may_be_empty=phase == "predict")
        yield record
    problems.raise_all()
    row_filter.add_notes(source_of(source))


def _are_lines(config: TextLabelFields, file: Path) -> bool:
    return config.header and text_format(config, file) == "text"


def _line_rows(
    file: Path, config: TextLabelFields, texts: tuple[str, ...], problems: FileProblems, phase: Phase
) -> Iterator[Row]:
    """The rows of lines without a header."""
    other = [name for name in texts if name not in _IN_LINES]
    if other:
        rule = f"lines without a header hold {' and '.join(_IN_LINES)}, found the column {other[0]} in the prompt"
        raise ConfigError(Problem(f"prompt, {file}", f"{rule}. Name a table, such as csv or JSON lines."))
    needs_label = phase != "predict" and config.on_missing_label == "error"
    ordered = [name for name in _IN_LINES if name in texts]
    rows = read_labelled_lines(file, ordered, problems, phase, encoding=config.encoding, needs_label=needs_label)
    for row in rows:
        label = row.values.get(_LABEL)
        if config.label_kind == "several" and isinstance(label, str):
            parts = [part.strip() for part in label.split(_OF_LINES)]
            yield Row(row.line, {**row.values, _LABEL: [part for part in parts if part]})
        else:
            yield row


def _columns(
    source: Path | Sequence[GivenRow],
    config: TextLabelFields,
    texts: tuple[str, ...],
    phase: Phase,
    known: Collection[str],
) -> Columns:
    """The columns to read: names of classes where a table has their ids as well."""
    guesses = (PAIRS if "text_b" in texts else TEXTS, LABELS)
    columns = replace(columns_of(config, texts=texts, gold=(_LABEL,), phase=phase), guesses=guesses)
    first = _first_row(source, config)
    if _LABEL in columns.names or _NAMED not in first or first.get(_NAMED) is None:
        return columns
    if known and label_text(first.get(_LABEL)) in known and label_text(first[_NAMED]) not in known:
        return columns
    add_note(source_of(source), f"columns by their names: label is `{_NAMED}`. If that is wrong, set `columns`.")
    return replace(columns, names={**columns.names, _LABEL: _NAMED})


def _first_row(source: Path | Sequence[GivenRow], config: TextLabelFields) -> dict[str, object]:
    """The first row of a table of JSON, or of one that is read already; empty for others."""
    if isinstance(source, RowTable):
        first = next(source.named_rows(), None)
        return dict(first) if first is not None and not isinstance(first, str) else {}
    kind = table_format(config, source) if isinstance(source, Path) else ""
    if not isinstance(source, Path) or kind not in ("json", "jsonl"):
        return {}
    names = possible_names(config) if kind == "json" else None
    found = next(read_json(source, config.encoding, FileProblems(source), names), None)
    return {} if found is None else dict(found[1])
