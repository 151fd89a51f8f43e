"""Metrics of classification: accuracy, F1 over classes and label sets, masked tokens."""

from collections import Counter
from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("accuracy")
def accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Fraction of records whose `label` is correct."""
    return {"accuracy": _fraction_correct(predictions, records, "label")}


@METRICS.register("sentence_accuracy")
def sentence_accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Fraction of records whose `labels` are all correct."""
    return {"sentence_accuracy": _fraction_correct(predictions, records, "labels")}


def _fraction_correct(predictions: Sequence[Record], records: Sequence[Record], key: str) -> float:
    pairs = zip(predictions, records, strict=True)
    return sum(prediction[key] == record[key] for prediction, record in pairs) / max(len(records), 1)


@METRICS.register("macro_f1")
def macro_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean F1 over the labels that occur in the gold records or in the predictions."""
    pairs = [(prediction["label"], record["label"]) for prediction, record in zip(predictions, records, strict=True)]
    predicted = Counter(label for label, _ in pairs)
    gold = Counter(label for _, label in pairs)
    right = Counter(label for label, correct in pairs if label == correct)
    scores = [2 * right[label] / (predicted[label] + gold[label]) for label in predicted | gold]
    return {"macro_f1": sum(scores) / max(len(scores), 1)}


@METRICS.register("label_set_f1")
def label_set_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Micro and macro F1 over all labels that occur, and the fraction of records with exactly the gold labels."""
    pairs = [
        (set(cast("Sequence[str]", prediction["labels"])), set(cast("Sequence[str]", record["label"])))
        for prediction, record in zip(predictions, records, strict=True)
    ]
    predicted = Counter(label for found, _ in pairs for label in found)
    gold = Counter(label for _, expected in pairs for label in expected)
    right = Counter(label for found, expected in pairs for label in found & expected)
    scores = [2 * right[label] / (predicted[label] + gold[label]) for label in predicted | gold]
    return {
        "micro_f1": 2 * right.total() / max(predicted.total() + gold.total(), 1),
        "macro_f1": sum(scores) / max(len(scores), 1),
        "set_accuracy": sum(found == expected for found, expected in pairs) / max(len(pairs), 1),
    }


@METRICS.register("mlm_accuracy")
def mlm_accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Fraction of masked positions whose token is correct.

    The predictions contain the gold ids, since masks are sampled for each evaluation.
    """
    right = count = 0
    for prediction in predictions:
        tokens, gold = (cast("Sequence[int]", prediction[key]) for key in ("tokens", "gold"))
        right += sum(token == correct for token, correct in zip(tokens, gold, strict=True))
        count += len(gold)
    return {"mlm_accuracy": right / max(count, 1)}
