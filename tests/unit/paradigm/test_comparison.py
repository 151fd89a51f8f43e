"""Predictions beside gold, and parts of them joined."""

import numpy as np
import pytest

from palm.data.dataset import LabelMap
from palm.paradigm.comparison import (
    ComparedClasses,
    ComparedLabelSets,
    class_scores,
    compare_classes,
    compare_order,
    join_comparisons,
)


def test_classes_have_the_scores_of_the_logits():
    predictions = [{"label": "水", "probs": {"air": 0.5, "水": 0.5}, "logits": [1.0, 2.0]}]
    found = compare_classes(predictions, [{"label": "air"}], LabelMap(("air", "水")))
    assert (found.names, found.gold, found.predicted) == (("air", "水"), ["air"], ["水"])
    assert found.scores.tolist() == [[1.0, 2.0]]


def test_without_logits_they_are_the_logarithms_of_the_probabilities():
    scores = class_scores([{"probs": {"a": 0.25, "b": 0.75}}, {"probs": {"a": 0.0, "b": 1.0}}])
    assert np.exp(scores) == pytest.approx(np.array([[0.25, 0.75], [0.0, 1.0]]), abs=1e-9)
    assert class_scores([{"label": "a"}]) is None


def test_predictions_or_records_without_labels_are_no_classes():
    assert compare_classes([{"value": 1.0}], [{"label": "1"}], None) is None
    assert compare_classes([{"label": "a"}], [{}], None) is None
    assert compare_classes([], [], None) is None
    assert compare_order([{"probs": 0.5}], "probs") is None


def test_parts_are_joined_in_order():
    one = ComparedClasses(["a", "b"], ["a"], ["b"], np.zeros((1, 2)))
    other = ComparedClasses(["a", "b"], ["b"], ["b"], np.ones((1, 2)))
    whole = join_comparisons([one, other])
    assert (whole.names, whole.gold, whole.predicted) == (["a", "b"], ["a", "b"], ["b", "b"])
    assert whole.scores.tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert join_comparisons([ComparedClasses((), ["a"], ["a"], None)] * 2).scores is None
    sets = ComparedLabelSets(["a"], [["a"]], [[]], np.zeros((1, 1)))
    assert join_comparisons([sets, sets]).gold == [["a"], ["a"]]
