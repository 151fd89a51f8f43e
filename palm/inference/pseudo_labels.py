"""Predictions as labelled rows: those that are certain enough, as a reader reads them for training."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palm.errors import ConfigError, DataError, Problem
from palm.inference.predictor import Predictor
from palm.paradigm.base import Prediction, PseudoLabel
from palm.reader.base import GOLD, Reader
from palm.reader.fields import TableFields
from palm.reader.formats.cells import ID

PROBABILITY = "prob"
"""The field of a row with pseudo label for the label's probability, as in PaddleNLP."""

_LABEL = "label"
_NO_TEXT = "rows without text, left out"
_RARER = "rows less certain than others of their label, left out (--per_label)"
_REPLACED = "rows that had a label, which is replaced"


@dataclass(frozen=True)
class LabelledRow:
    """A row with a pseudo label.

    Attributes:
        row: Its columns by PALM's names, without the label.
        label: The label.
        probability: Its probability.
    """

    row: Mapping[str, object]
    label: object
    probability: float


@dataclass(frozen=True)
class CertainRows:
    """The rows that are certain enough, in the order of the file.

    Attributes:
        rows: The rows.
        counts: How many have each label.
        left_out: How many rows something is remarkable about, by reason.
    """

    rows: Sequence[LabelledRow]
    counts: Mapping[str, int]
    left_out: Mapping[str, int] = field(default_factory=dict)


def choose_certain(
    predictor: Predictor, predictions: Sequence[Prediction], *, least: float, most: int | None = None
) -> CertainRows:
    """The rows of `predictions` whose label is certain enough.

    Args:
        predictor: What predicted them.
        predictions: Its predictions for the rows of a file.
        least: The least probability of a label.
        most: How many rows of a label at most: the most certain ones, of equally certain ones the first.

    Raises:
        ConfigError: The task gives its rows no label with a probability.
    """
    remarks: Counter[str] = Counter()
    found = []
    for prediction in predictions:
        label = _label_of(predictor, prediction)
        if any(not str(prediction[name]).strip() for name in predictor.text_columns):
            remarks[_NO_TEXT] += 1
        elif label.probability >= least:
            found.append(LabelledRow(_row_of(predictor, prediction), label.label, label.probability))
            remarks[_REPLACED] += GOLD in prediction
    kept = found if most is None else _most_certain(found, most)
    remarks[_RARER] = len(found) - len(kept)
    counts = Counter(_key(row) for row in kept)
    return CertainRows(
        kept, dict(sorted(counts.items())), {reason: count for reason, count in remarks.items() if count}
    )


def write_labelled(rows: Sequence[LabelledRow], reader: Reader, file: Path) -> None:
    """Write rows for the key pseudo_data_path, under the names of columns that `reader` looks for.

    Args:
        rows: The rows.
        reader: The reader of the task.
        file: A `.txt` for `text<TAB>label`, without probabilities; else JSON lines.

    Raises:
        DataError: A text that cannot stand in a line of a txt file.
    """
    as_line = _text_line if file.suffix.lower() == ".txt" else _json_line
    content = "".join(as_line(row, reader, number) for number, row in enumerate(rows, 1))
    file.write_bytes(content.encode("utf-8", "backslashreplace"))


def _label_of(predictor: Predictor, prediction: Prediction) -> PseudoLabel:
    label = predictor.paradigm.pseudo_label(prediction)
    if label is None:
        rule = "pseudo labels are those of tasks that give each row a label with a probability."
        found = f"Predictions of `{predictor.task}` have {', '.join(prediction)}"
        raise ConfigError(Problem(predictor.task, f"{rule} {found}. Name another task."))
    return label


def _row_of(predictor: Predictor, prediction: Prediction) -> Mapping[str, object]:
    kept = getattr(predictor.reader.config, "keep_columns", ())
    return {name: prediction[name] for name in (ID, *kept, *predictor.text_columns) if name in prediction}


def _most_certain(rows: Sequence[LabelledRow], most: int) -> list[LabelledRow]:
    ordered = sorted(range(len(rows)), key=lambda number: -rows[number].probability)
    counts: Counter[str] = Counter()
    kept = set()
    for number in ordered:
        if counts[_key(rows[number])] < most:
            counts[_key(rows[number])] += 1
            kept.add(number)
    return [row for number, row in enumerate(rows) if number in kept]


def _key(row: LabelledRow) -> str:
    return "|".join(map(str, row.label)) if isinstance(row.label, list) else str(row.label)


def _json_line(row: LabelledRow, reader: Reader, number: int) -> str:
    del number
    named = {_called(reader, name): value for name, value in row.row.items()}
    labelled = {**named, _called(reader, _LABEL): row.label, PROBABILITY: round(row.probability, 6)}
    return json.dumps(labelled, ensure_ascii=False, default=str) + "\n"


def _text_line(row: LabelledRow, reader: Reader, number: int) -> str:
    texts = [str(row.row[name]) for name in reader.text_columns]
    cells = [*texts, _key(row)]
    if len(texts) != 1 or any(set("\t\r\n") & set(cell) for cell in cells):
        rule = "a line of a txt file is one text without tabs and line breaks, a tab, and a label"
        raise DataError(Problem(f"rows[{number - 1}]", f"{rule}. Write a .jsonl file."))
    return "\t".join(cells) + "\n"


def _called(reader: Reader, name: str) -> str:
    """The name of PALM's column `name` in files of the task."""
    return reader.config.column(name) if isinstance(reader.config, TableFields) else name
