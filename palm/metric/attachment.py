"""Attachment scores of dependency trees, as the evaluation of the CoNLL 2018 shared task computes them."""

from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("las")
def las(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """The fractions of words with the right head and relation (`las`), and with the right head (`uas`).

    Punctuation counts, subtypes of relations do not: `nsubj:pass` is `nsubj`. Source: `conll18_ud_eval.py`,
    https://universaldependencies.org/conll18/evaluation.html

    Args:
        predictions: With `heads` and `relations`, one of each per word.
        records: With `heads` and, as `labels`, the relations of the same words.
    """
    words = heads_right = both_right = 0
    for prediction, record in zip(predictions, records, strict=True):
        found, gold = _arcs(prediction, "relations"), _arcs(record, "labels")
        for (head, relation), (gold_head, gold_relation) in zip(found, gold, strict=True):
            words += 1
            heads_right += head == gold_head
            both_right += (head, relation) == (gold_head, gold_relation)
    return {"las": both_right / max(words, 1), "uas": heads_right / max(words, 1)}


def _arcs(row: Record, relations: str) -> list[tuple[int, str]]:
    """Head and relation of each word, without subtype."""
    listed = cast("Sequence[str]", row[relations])
    return list(zip(cast("Sequence[int]", row["heads"]), map(_universal, listed), strict=True))


def _universal(relation: str) -> str:
    """The relation without the subtype that a language or a treebank adds.

    https://universaldependencies.org/u/overview/syntax.html
    """
    return relation.partition(":")[0]
