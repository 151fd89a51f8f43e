"""F1 of labelled spans, micro average, and the accuracy of their tags."""

from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.data.spans import Span, spans_of
from palm.metric.base import METRICS


@METRICS.register("span_f1")
def span_f1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """F1, precision and recall over all spans (one is right when its type and both ends are), and token accuracy.

    Args:
        predictions: Their `spans` count where the records list theirs as well; else their `labels`, read as BIO.
        records: With `spans` as in predictions. Where these are None, as of tags that mark no spans, token accuracy is
            all that there is.
    """
    tokens = token_accuracy(predictions, records)
    if any("spans" in record and record["spans"] is None for record in records):
        return tokens
    right = found = wanted = 0
    for prediction, record in zip(predictions, records, strict=True):
        read = _listed if "spans" in record else _read_as_bio
        predicted, gold = read(prediction), read(record)
        right, found, wanted = right + len(predicted & gold), found + len(predicted), wanted + len(gold)
    return {
        "span_f1": 2 * right / max(found + wanted, 1),
        "span_precision": right / max(found, 1),
        "span_recall": right / max(wanted, 1),
        **tokens,
    }


@METRICS.register("token_accuracy")
def token_accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """The fraction of words with the right tag; of tags that are rules of lemmas, first that with the right lemma."""
    lemmas = {"lemma_accuracy": _fraction(predictions, records, "lemmas")} if _have_lemmas(records) else {}
    return {**lemmas, "token_accuracy": _fraction(predictions, records, "labels")}


def _have_lemmas(records: Sequence[Record]) -> bool:
    return any("lemmas" in record for record in records)


def _fraction(predictions: Sequence[Record], records: Sequence[Record], name: str) -> float:
    right = words = 0
    for prediction, record in zip(predictions, records, strict=True):
        predicted, gold = (cast("Sequence[str]", row[name]) for row in (prediction, record))
        words += len(gold)
        right += sum(one == other for one, other in zip(predicted, gold, strict=False))  # a word without a tag is wrong
    return right / max(words, 1)


def _listed(row: Record) -> set[Span]:
    spans = cast("Sequence[dict[str, int | str]]", row["spans"])
    return {Span(int(span["start"]), int(span["end"]), str(span["type"])) for span in spans}


def _read_as_bio(row: Record) -> set[Span]:
    return set(spans_of(cast("Sequence[str]", row["labels"])))
