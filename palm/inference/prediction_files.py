"""Writes predictions: predictions.json in a folder, or a single file whose ending names its format."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from palm.errors import ConfigError, Problem
from palm.paradigm.base import Paradigm, Prediction
from palm.reader.formats.cells import ID
from palm.storage.layout import PREDICTIONS_FILE

FORMATS = (".csv", ".tsv", ".json", ".jsonl", ".conllu")
"""Endings of a place for predictions that is a file, not a folder."""

FEWCLUE = "--format fewclue"
"""The option of `palm pred` for submissions."""


def is_file_name(place: Path) -> bool:
    """Whether predictions go into the file `place`: it ends in one of `FORMATS` and is no folder."""
    return place.suffix.lower() in FORMATS and not place.is_dir()


def write_predictions(paradigm: Paradigm, predictions: Sequence[Prediction], place: Path) -> Path:
    """Write predictions; return the path of the file.

    Args:
        paradigm: The paradigm that decoded them.
        predictions: One per row.
        place: A folder, for predictions.json and the paradigm's other files; or a file: `.csv`, `.tsv`, `.json` (a
            list of records), `.jsonl`, or for trees `.conllu`.

    Raises:
        ConfigError: The paradigm has no files of this format.
    """
    if is_file_name(place):
        content = _content(paradigm, predictions, place)
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, content)
        return place
    place.mkdir(parents=True, exist_ok=True)
    for name, content in paradigm.prediction_files([finite(prediction) for prediction in predictions]).items():
        _write(place / name, content)
    return place / PREDICTIONS_FILE


def _content(paradigm: Paradigm, predictions: Sequence[Prediction], place: Path) -> str:
    ending = place.suffix.lower()
    if ending in _AS_TEXT:
        return _AS_TEXT[ending](predictions)
    content = paradigm.text_in(ending, predictions)
    if content is None:
        rule = f"{ending} holds the trees of sentences, and this task predicts none"
        raise ConfigError(Problem(str(place), f"{rule}. Choose {', '.join(_AS_TEXT)}, or a folder."))
    return content


def write_submission(paradigm: Paradigm, predictions: Sequence[Prediction], file: Path) -> Path:
    """Write `{"id", "label"}` per row as JSON lines, as FewCLUE expects submissions; return the path of the file.

    Args:
        paradigm: The paradigm that decoded the predictions.
        predictions: One per row. A row without `id` has its number, from 0.
        file: The file.

    Raises:
        ConfigError: The predictions give rows no label.
    """
    lines = []
    for number, prediction in enumerate(predictions):
        found = paradigm.pseudo_label(prediction)
        if found is None:
            rule = "a submission has a label for each row"
            listed = ", ".join(prediction)
            raise ConfigError(Problem(FEWCLUE, f"{rule}. Found predictions of {listed}. Name another task."))
        lines.append(json_line({ID: prediction.get(ID, number), "label": found.label}))
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, "".join(lines))
    return file


def json_line(prediction: Prediction) -> str:
    """`prediction` as a valid JSON object in one line; numbers that JSON lacks (NaN, Inf) become null."""
    return json.dumps(finite(prediction), ensure_ascii=False, allow_nan=False, default=str) + "\n"


def finite(prediction: Prediction) -> Prediction:
    """`prediction` with None for numbers that are NaN or Inf."""
    return {name: _finite(value) for name, value in prediction.items()}


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _write(file: Path, content: str) -> None:
    # Half of a surrogate pair in a kept column is written as its escape.
    file.write_bytes(content.encode("utf-8", "backslashreplace"))


def _as_lines(predictions: Sequence[Prediction]) -> str:
    return "".join(map(json_line, predictions))


def _as_list(predictions: Sequence[Prediction]) -> str:
    lines = (" " + json_line(prediction).rstrip("\n") for prediction in predictions)
    return "[\n" + ",\n".join(lines) + "\n]\n" if predictions else "[]\n"


def _as_csv(predictions: Sequence[Prediction], delimiter: str = ",") -> str:
    """One row per prediction: `probs.<label>` for each number of a mapping, lists as JSON."""
    rows = [_cells(finite(prediction)) for prediction in predictions]
    header = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, header, delimiter=delimiter, lineterminator="\n", restval="")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _as_tsv(predictions: Sequence[Prediction]) -> str:
    return _as_csv(predictions, "\t")


def _cells(prediction: Prediction) -> dict[str, object]:
    cells: dict[str, object] = {}
    for name, value in prediction.items():
        inner = value if isinstance(value, Mapping) else {"": value}
        cells |= {f"{name}.{key}" if key else name: _cell(one) for key, one in inner.items()}
    return cells


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | Mapping) else value


_AS_TEXT = {".csv": _as_csv, ".tsv": _as_tsv, ".json": _as_list, ".jsonl": _as_lines}
