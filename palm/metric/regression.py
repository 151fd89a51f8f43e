"""Correlations of predicted numbers with gold ones, as scipy computes them."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("pearson")
def pearson(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Pearson's correlation of `value` and `label`; 0 where either is constant."""
    return {"pearson": _correlation(*_pairs(predictions, records))}


@METRICS.register("spearman")
def spearman(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Spearman's correlation: Pearson's of the ranks, ties share their mean rank."""
    predicted, gold = _pairs(predictions, records)
    return {"spearman": _correlation(_ranks(predicted), _ranks(gold))}


def _pairs(predictions: Sequence[Record], records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    predicted = np.array([cast("float", prediction["value"]) for prediction in predictions], "float64")
    return predicted, np.array([cast("float", record["label"]) for record in records], "float64")


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) < 2 or (one == one[0]).all() or (other == other[0]).all():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[place]
    return ranks
