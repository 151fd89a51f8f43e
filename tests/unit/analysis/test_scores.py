"""Scores of classes and their means."""

import pytest

from palm.analysis.scores import mean_scores, score_classes

pytest.importorskip("sklearn.metrics")


def test_a_class_that_is_never_predicted_has_zeros_instead_of_a_warning():
    each, macro, weighted = score_classes(["a", "a", "b"], ["a", "a", "a"], ["a", "b"])
    assert [scores.f1 for scores in each] == pytest.approx([0.8, 0.0])
    assert macro.f1 == pytest.approx(0.4)
    assert weighted.f1 == pytest.approx(0.8 * 2 / 3)
    assert (macro.support, weighted.name) == (3, "weighted")


def test_without_support_the_weighted_mean_is_the_plain_one():
    import numpy as np

    assert mean_scores(np.array([[1.0, 0, 0, 0], [0, 0, 0, 0]]), weighted=True).precision == 0.5
