"""F1 of labelled spans that may lie within each other: micro average and macro average over types."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from palm.data.dataset import Record
from palm.data.spans import Span
from palm.metric.base import METRICS


@METRICS.register("nested_span_f1")
def nested_span_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Micro F1, precision and recall over all spans, and the mean F1 of the types that are gold or predicted.

    A span is right when its start, its end and its type are.

    Args:
        predictions: Their `spans` are objects with `start`, `end` and `type`.
        records: With gold `spans` of the same form.
    """
    predicted, gold = _placed(predictions), _placed(records)
    found, right, wanted = len(predicted), len(predicted & gold), len(gold)
    return {
        "span_f1": 2 * right / max(found + wanted, 1),
        "span_precision": right / max(found, 1),
        "span_recall": right / max(wanted, 1),
        "span_macro_f1": _mean_f1(predicted, gold),
    }


@METRICS.register("relation_f1")
def relation_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """F1, precision and recall of relations, right when their type and both spans are, with the types of these.

    Args:
        predictions: Their `relations` are objects with `type` and the numbers `head` and `tail` of their `spans`.
        records: With gold `spans` and `relations` of the same form; without `relations` they have none.
    """
    predicted, gold = _related(predictions), _related(records)
    found, right, wanted = len(predicted), len(predicted & gold), len(gold)
    return {
        "relation_f1": 2 * right / max(found + wanted, 1),
        "relation_precision": right / max(found, 1),
        "relation_recall": right / max(wanted, 1),
    }


def _related(rows: Sequence[Record]) -> set[tuple[int, Span, str, Span]]:
    found = set()
    for number, row in enumerate(rows):
        spans = [_span(span) for span in cast("Sequence[Mapping[str, Any]]", row["spans"])]
        for one in cast("Sequence[Mapping[str, Any]]", row.get("relations", ())):
            found.add((number, spans[int(one["head"])], str(one["type"]), spans[int(one["tail"])]))
    return found


def _span(span: Mapping[str, Any]) -> Span:
    return Span(int(span["start"]), int(span["end"]), str(span["type"]))


_Placed = set[tuple[int, Span]]
"""Spans with the numbers of their rows."""


def _placed(rows: Sequence[Record]) -> _Placed:
    return {
        (number, _span(span))
        for number, row in enumerate(rows)
        for span in cast("Sequence[Mapping[str, Any]]", row["spans"])
    }


def _mean_f1(predicted: _Placed, gold: _Placed) -> float:
    counts: dict[str, list[int]] = {}
    for spans, side in ((predicted & gold, 0), (predicted, 1), (gold, 1)):
        for _, span in spans:
            counts.setdefault(span.type, [0, 0])[side] += 1
    return sum(2 * right / total for right, total in counts.values()) / max(len(counts), 1)
