"""Predictions keep the row that they are of: its id, its texts, its gold label, and columns that are asked for."""

import logging
from collections.abc import Iterable, Sequence
from html import escape

from palm.data.dataset import ROWS, Dataset
from palm.errors import ConfigError, Problem
from palm.locale.current import translated_phrase
from palm.paradigm.base import Prediction
from palm.reader.base import ROW_FIELDS, TRUNCATED, Reader

LOG = logging.getLogger(__name__)
_MOST_SHOWN, _LONGEST_CELL = 10, 80


class PredictionList(list[Prediction]):
    """Predictions, one per row: a list, of which a notebook shows the first ones as a table."""

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for prediction in self[:_MOST_SHOWN] for name in prediction))
        rows = [[_cell(prediction.get(name, "")) for name in names] for prediction in self[:_MOST_SHOWN]]
        count = translated_phrase(f"{_MOST_SHOWN} of {len(self):,} predictions")
        more = f"<div>{count}</div>" if len(self) > _MOST_SHOWN else ""
        return html_table(names, rows) + more


def html_table(headers: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for notebooks, whose style it has."""
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"


def with_rows(
    predictions: Sequence[Prediction], dataset: Dataset, reader: Reader, *, report: bool = True
) -> list[Prediction]:
    """Add to each prediction what it keeps of its record (see `Reader.row_of`), and `truncated` where a text was cut.

    Args:
        predictions: One per record.
        dataset: The data set that was predicted.
        reader: Its reader.
        report: Whether texts that were cut are logged.

    Raises:
        ConfigError: A column of `keep_columns` has the name of a field of the predictions.
    """
    kept = [reader.row_of(record) for record in dataset.records]
    for row, prediction in zip(kept, predictions, strict=True):
        _check_names(row, prediction, asked_for=getattr(reader.config, "keep_columns", ()))
    cut = reader.truncated(dataset)
    if cut and report:
        LOG.warning("%s", _truncated_line(dataset, reader, cut))
    marked = set(cut)
    return PredictionList(
        {
            **prediction,
            **{name: value for name, value in row.items() if name not in prediction},
            **_mark(number in marked),
        }
        for number, (row, prediction) in enumerate(zip(kept, predictions, strict=True))
    )


def _mark(is_cut: bool) -> Prediction:
    return {TRUNCATED: True} if is_cut else {}


def _check_names(row: Prediction, prediction: Prediction, *, asked_for: Sequence[str]) -> None:
    taken = [name for name in asked_for if name in row and name in prediction and row[name] != prediction[name]]
    taken += [name for name in asked_for if name in ROW_FIELDS]
    if taken:
        rule = f"a column to keep needs a name that predictions do not use themselves. Found `{taken[0]}`"
        raise ConfigError(Problem("keep_columns", f"{rule} ({', '.join(prediction)}). Rename it in the file."))


def _truncated_line(dataset: Dataset, reader: Reader, cut: Sequence[int]) -> str:
    count, line = len(dataset.records), int(str(dataset.records[cut[0]].get("line", cut[0] + 1)))
    if dataset.file == ROWS:
        where, first = "", f"{ROWS}[{line - 1}]"
    else:
        where, first = f"{dataset.file}: ", f"{reader.record_unit.removesuffix('s')} {line}"
    limit = f"longer than {reader.longest_text} and cut there"
    if count == 1:
        return f"{where}the text is {limit}."
    return f"{where}{len(cut)} of {count} texts {'is' if len(cut) == 1 else 'are'} {limit}; the first is {first}."
