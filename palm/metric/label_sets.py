"""Figures of sets of labels: F1, and the share of sets that are right as a whole."""

from collections import Counter
from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("label_set_f1")
def label_set_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Micro and macro F1 over all labels that occur, and the share of records whose labels are all right."""
    pairs = [
        (set(cast("Sequence[str]", prediction["labels"])), set(cast("Sequence[str]", record["label"])))
        for prediction, record in zip(predictions, records, strict=True)
    ]
    predicted = Counter(label for found, _ in pairs for label in found)
    gold = Counter(label for _, wanted in pairs for label in wanted)
    right = Counter(label for found, wanted in pairs for label in found & wanted)
    scores = [2 * right[label] / (predicted[label] + gold[label]) for label in predicted | gold]
    return {
        "micro_f1": 2 * right.total() / max(predicted.total() + gold.total(), 1),
        "macro_f1": sum(scores) / max(len(scores), 1),
        "set_accuracy": sum(found == wanted for found, wanted in pairs) / max(len(pairs), 1),
    }
