"""Macro F1 of labels, as scikit-learn's `f1_score(average="macro")` computes it."""

from collections import Counter
from collections.abc import Sequence

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("macro_f1")
def macro_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean F1 over the labels that occur in the gold records or in the predictions."""
    pairs = [(prediction["label"], record["label"]) for prediction, record in zip(predictions, records, strict=True)]
    predicted = Counter(label for label, _ in pairs)
    gold = Counter(label for _, label in pairs)
    right = Counter(label for label, correct in pairs if label == correct)
    scores = [2 * right[label] / (predicted[label] + gold[label]) for label in predicted | gold]
    return {"macro_f1": sum(scores) / max(len(scores), 1)}
