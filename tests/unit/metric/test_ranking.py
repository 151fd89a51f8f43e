"""Metrics of ranked candidates against scikit-learn and by hand."""

import math

import numpy as np
import pytest

from palm.metric import METRICS


def test_mean_reciprocal_rank():
    predictions = [{"ranking": [2, 0, 1]}, {"ranking": [1, 0]}, {"ranking": [0, 1, 2, 3]}]
    records = [{"label": "1"}, {"label": "1"}, {"label": "3"}]

    assert METRICS["mrr"](predictions, records)["mrr"] == pytest.approx((1 / 3 + 1 + 1 / 4) / 3)
    assert METRICS["mrr"]([], []) == {"mrr": 0.0}


def test_the_first_relevant_candidate_counts():
    predictions = [{"ranking": [2, 0, 1]}, {"ranking": [1, 0]}, {"ranking": [0, 1]}]
    records = [{"relevance": [1, 2, 0]}, {"relevance": [0.0, 0.5]}, {"relevance": [0, -1]}]
    assert METRICS["mrr"](predictions, records)["mrr"] == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_ndcg_by_hand():
    """Gains 0, 3, 1 in this order: 3 / log2 3 + 1 / 2, of at best 3 + 1 / log2 3."""
    value = METRICS["ndcg"]([{"ranking": [2, 0, 1]}], [{"relevance": [3, 1, 0]}])["ndcg"]
    assert value == pytest.approx((3 / math.log2(3) + 1 / 2) / (3 + 1 / math.log2(3)))
    assert METRICS["ndcg"]([{"ranking": [1, 0]}], [{"relevance": [0, -2]}]) == {"ndcg": 0.0}
    assert METRICS["ndcg"]([], []) == {"ndcg": 0.0}


def test_ndcg_is_scikit_learns():
    sklearn = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(4)
    relevance = generator.integers(0, 5, (30, 14))
    scores = generator.normal(size=(30, 14))
    predictions = [{"ranking": np.argsort(-own).tolist()} for own in scores]
    value = METRICS["ndcg"](predictions, [{"relevance": own.tolist()} for own in relevance])["ndcg"]
    assert value == pytest.approx(sklearn.ndcg_score(relevance, scores, k=10), rel=1e-12)
