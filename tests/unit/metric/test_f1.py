"""Macro F1 by hand and against scikit-learn."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.metric import METRICS

LABELS = st.sampled_from(["0", "1", "2", "体育", "财经"])


def macro_f1(predicted: list[str], gold: list[str]) -> float:
    figures = METRICS["macro_f1"]([{"label": label} for label in predicted], [{"label": label} for label in gold])
    assert set(figures) == {"macro_f1"}
    return figures["macro_f1"]


def test_mean_of_each_labels_f1():
    # a: 1 right of 2 predicted, 1 gold → 2/3. b: 1 right of 1 predicted, 2 gold → 2/3. c: only predicted → 0.
    assert macro_f1(["a", "a", "b", "c"], ["a", "b", "b", "d"]) == pytest.approx((2 / 3 + 2 / 3 + 0 + 0) / 4)


def test_no_records_give_zero():
    assert macro_f1([], []) == 0.0


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_equals_scikit_learn(pairs: list[tuple[str, str]]):
    metrics = pytest.importorskip("sklearn.metrics")
    predicted, gold = (list(side) for side in zip(*pairs, strict=True))

    assert macro_f1(predicted, gold) == pytest.approx(
        metrics.f1_score(gold, predicted, average="macro", zero_division=0)
    )
