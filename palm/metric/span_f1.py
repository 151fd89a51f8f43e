"""F1 of labelled spans, micro average, with the semantics of seqeval's default mode."""

from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.data.spans import spans_of
from palm.metric.base import METRICS


@METRICS.register("span_f1")
def span_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """F1, precision and recall over all spans: a span is correct if its type and both boundaries are."""
    right = found = expected = 0
    for prediction, record in zip(predictions, records, strict=True):
        predicted = set(spans_of(cast("Sequence[str]", prediction["labels"])))
        gold = set(spans_of(cast("Sequence[str]", record["labels"])))
        right, found, expected = right + len(predicted & gold), found + len(predicted), expected + len(gold)
    return {
        "span_f1": 2 * right / max(found + expected, 1),
        "span_precision": right / max(found, 1),
        "span_recall": right / max(expected, 1),
    }
