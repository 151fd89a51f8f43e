"""Gold of readers of whole texts: one label, several, or a number per row."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Literal, cast

import numpy as np
from pydantic import Field

from palm.data.dataset import Dataset, DataSource, IntArray, LabelMap, Ragged, Record
from palm.reader.base import count_classes_in
from palm.reader.fields import LABEL_KEYS, LabelledFields
from palm.reader.formats.cells import label_at, labels_at, number_at
from palm.reader.formats.files import FileProblems
from palm.reader.further_rows import FURTHER_KEYS, FurtherRowsFields
from palm.reader.labels import LabelEncoder, learn_label_map
from palm.reader.rows import class_ids
from palm.spec import Phase, Spec, Specs

ReadGold = Callable[..., object]

GOLD_KEYS = (*LABEL_KEYS, *FURTHER_KEYS, "label_kind")
GOLD_ON_REQUEST = {"label_sets": "label_kind: several", "label_values": "label_kind: number"}


class TextLabelFields(LabelledFields, FurtherRowsFields):
    """Keys of readers of whole texts with gold."""

    label_kind: Literal["class", "several", "number"] = Field(
        "class",
        description="Content of `label`: one `class`; any number of labels (`several`), separated by `|` (for "
        "multi_label); or a `number` (for regression).",
    )


def gold_reader(config: TextLabelFields) -> ReadGold:
    """The parser of the column `label`."""
    readers: dict[str, ReadGold] = {"class": label_at, "several": labels_at, "number": number_at}
    return readers[config.label_kind]


def gold_specs(config: TextLabelFields) -> Specs:
    """The gold columns of a batch."""
    specs: dict[str, Specs] = {
        "class": {"label_ids": Spec("batch", "int64")},
        "several": {"label_sets": Spec("batch class", "float32")},
        "number": {"label_values": Spec("batch", "float32")},
    }
    return specs[config.label_kind]


def learn_gold(records: Sequence[Record], config: TextLabelFields) -> LabelMap | None:
    """The labels of a training file; None if they are numbers."""
    if config.label_kind == "number":
        return None
    if config.label_kind == "several":
        return learn_label_map(chain.from_iterable(_names(record) for record in records), config.n_classes)
    return learn_label_map((str(record["label"]) for record in records), config.n_classes)


def gold_columns(
    records: Sequence[Record], labels: LabelMap | None, config: TextLabelFields, source: DataSource, phase: Phase
) -> tuple[dict[str, Ragged | np.ndarray], tuple[str, ...]]:
    """Gold columns (none when predicting), and remarks about them.

    Raises:
        DataError: Unknown labels.
    """
    if phase != "predict" and config.label_kind == "number":
        return {"label_values": np.array([record["label"] for record in records], "float32")}, ()
    if phase == "predict" or config.label_kind == "class":
        ids, notes = class_ids(records, labels, config, source, phase)
        return dict(ids), notes
    if labels is None:
        raise ValueError("The labels of the training file must be known. Found `labels = None`.")
    problems = FileProblems(source)
    encoder = LabelEncoder(labels, config, phase, problems)
    rows = [[encoder.id_of(name, int(str(record["line"]))) for name in _names(record)] for record in records]
    encoder.raise_all()
    return {
        "label_sets": Ragged.from_rows([[number for number in row if number >= 0] for row in rows])
    }, encoder.notes()


def count_gold(dataset: Dataset, labels: LabelMap | None) -> list[int]:
    """How often each class occurs."""
    column = "label_sets" if "label_sets" in dataset.columns else "label_ids"
    return count_classes_in(dataset, column, len(labels or ()))


def gold_labels(dataset: Dataset, rows: IntArray, labels: LabelMap | None) -> dict[str, np.ndarray]:
    """The gold of a batch (see `gold_specs`); empty if the data set has none."""
    found = {name: dataset.array(name)[rows] for name in ("label_ids", "label_values") if name in dataset.columns}
    if "label_sets" in dataset.columns:
        sets = np.zeros((len(rows), len(labels or ())), "float32")  # [batch class]
        for line, row in zip(sets, rows, strict=True):
            line[dataset.ragged("label_sets")[row]] = 1.0
        found["label_sets"] = sets
    return found


def _names(record: Record) -> Sequence[str]:
    return cast("Sequence[str]", record["label"])
