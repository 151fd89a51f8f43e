"""Metrics of classification: accuracy, F1 over classes and label sets, masked tokens, mean reciprocal rank."""

from collections import Counter
from collections.abc import Sequence
from typing import cast

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


@METRICS.register("mlm_accuracy")
def mlm_accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Share of masked positions whose word-piece is right.

    The gold ids come with the predictions, as masks are drawn anew each time.
    """
    right = count = 0
    for prediction in predictions:
        tokens, gold = (cast("Sequence[int]", prediction[key]) for key in ("tokens", "gold"))
        right += sum(token == correct for token, correct in zip(tokens, gold, strict=True))
        count += len(gold)
    return {"mlm_accuracy": right / max(count, 1)}


@METRICS.register("mrr")
def mean_reciprocal_rank(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean of 1 / place of the right candidate in `ranking`."""
    places = [
        cast("list[int]", prediction["ranking"]).index(int(str(record["label"]))) + 1
        for prediction, record in zip(predictions, records, strict=True)
    ]
    return {"mrr": sum(1 / place for place in places) / max(len(places), 1)}
