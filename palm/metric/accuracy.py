"""Accuracy: the share of records, or of sentences, that are right."""

from collections.abc import Sequence

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("accuracy")
def accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Share of records whose `label` is right."""
    return {"accuracy": _share_right(predictions, records, "label")}


@METRICS.register("sentence_accuracy")
def sentence_accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Share of records with every one of `labels` right."""
    return {"sentence_accuracy": _share_right(predictions, records, "labels")}


def _share_right(predictions: Sequence[Record], records: Sequence[Record], key: str) -> float:
    pairs = zip(predictions, records, strict=True)
    return sum(prediction[key] == record[key] for prediction, record in pairs) / max(len(records), 1)
