"""Several labels per row, by hand."""

import numpy as np
import pytest

from palm.analysis.label_sets import analyse_label_sets, label_arrays
from palm.paradigm.comparison import ComparedLabelSets

pytest.importorskip("sklearn.metrics")
ROWS = ComparedLabelSets(
    ["红", "big"], [["红"], ["红", "big"], [], ["新"]], [["红"], ["红"], ["big"], []], np.zeros((4, 2))
)


def test_a_label_that_the_model_does_not_know_counts_as_missing():
    names, gold, predicted = label_arrays(ROWS)
    assert names == ["红", "big", "新"]
    assert gold.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert predicted.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_by_hand():
    found = analyse_label_sets(ROWS)
    assert found.set_accuracy == 0.25
    assert found.hamming_loss == pytest.approx(3 / 12)
    assert [(each.name, each.right, each.spurious, each.missing, each.absent) for each in found.counts] == [
        ("红", 2, 0, 0, 2), ("big", 0, 1, 1, 2), ("新", 0, 0, 1, 3),
    ]  # fmt: skip
    # Micro: 2 right of 3 predicted and 4 gold.
    assert (found.micro.precision, found.micro.recall) == pytest.approx((2 / 3, 1 / 2))
    assert found.micro.f1 == pytest.approx(4 / 7)
    assert found.macro.f1 == pytest.approx(1 / 3)


def test_micro_and_macro_are_those_of_the_metric():
    from palm.metric import label_set_f1

    predictions = [{"labels": list(labels)} for labels in ROWS.predicted]
    scores = label_set_f1(predictions, [{"label": list(labels)} for labels in ROWS.gold])
    found = analyse_label_sets(ROWS)
    assert (found.micro.f1, found.macro.f1, found.set_accuracy) == pytest.approx(tuple(scores.values()))


def test_a_single_label_is_a_set_too():
    rows = ComparedLabelSets(["a"], [["a"], [], ["a"]], [["a"], ["a"], []], np.zeros((3, 1)))
    found = analyse_label_sets(rows)
    assert [(each.right, each.spurious, each.missing, each.absent) for each in found.counts] == [(1, 1, 1, 0)]
    assert (found.micro.f1, found.labels[0].f1, found.macro.f1) == (0.5, 0.5, 0.5)
