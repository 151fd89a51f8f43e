"""Metrics of ranked candidates: mean reciprocal rank and normalised discounted cumulative gain."""

import math
from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.metric.base import METRICS

_CUTOFF = 10


@METRICS.register("mrr")
def mean_reciprocal_rank(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean of 1 / rank of the first right candidate in `ranking`: that of `label`, or with `relevance` above 0.

    A list without such a candidate counts as 0, as in trec_eval.
    """
    ranks = [
        next((rank for rank, place in enumerate(_ranking(prediction), 1) if place in _right(record)), math.inf)
        for prediction, record in zip(predictions, records, strict=True)
    ]
    return {"mrr": sum(1 / rank for rank in ranks) / max(len(ranks), 1)}


@METRICS.register("ndcg")
def normalised_discounted_gain(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """NDCG at 10: the sum of relevance / log2(1 + rank) over the best ten, divided by its highest possible value.

    Relevance below 0 counts as 0, and a list without any above it as a value of 0, as in trec_eval. Source: Järvelin
    and Kekäläinen 2002, with linear gain.
    """
    values = [
        _normalised(_ranking(prediction), [max(float(value), 0.0) for value in _relevance(record)])
        for prediction, record in zip(predictions, records, strict=True)
    ]
    return {"ndcg": sum(values) / max(len(values), 1)}


def _normalised(ranking: Sequence[int], gains: Sequence[float]) -> float:
    best = _discounted(sorted(gains, reverse=True))
    return _discounted([gains[place] for place in ranking]) / best if best else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(1 + rank) for rank, gain in enumerate(gains[:_CUTOFF], 1))


def _ranking(prediction: Record) -> Sequence[int]:
    return cast("Sequence[int]", prediction["ranking"])


def _relevance(record: Record) -> Sequence[float]:
    return cast("Sequence[float]", record["relevance"])


def _right(record: Record) -> set[int]:
    if "relevance" in record:
        return {place for place, value in enumerate(_relevance(record)) if value > 0}
    return {int(str(record["label"]))}
