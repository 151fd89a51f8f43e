"""Numbers, by hand."""

import numpy as np
import pytest

from palm.analysis.numbers import MOST_POINTS, analyse_numbers
from palm.paradigm.comparison import ComparedNumbers

pytest.importorskip("sklearn.metrics")


def test_by_hand():
    found = analyse_numbers(ComparedNumbers(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 2.0])))
    assert found.mean_absolute_error == pytest.approx(1.0)
    assert found.root_mean_squared_error == pytest.approx(np.sqrt(5 / 3))
    assert found.r2 == pytest.approx(1 - 5 / 2)
    assert found.bias == pytest.approx(1 / 3)
    assert found.points == [(1.0, 1.0), (2.0, 4.0), (3.0, 2.0)]
    assert sum(found.residual_counts) == 3


def test_equal_gold_numbers_have_no_coefficient_of_determination():
    assert analyse_numbers(ComparedNumbers(np.ones(3), np.arange(3.0))).r2 is None


def test_of_many_rows_some_are_plotted():
    values = np.arange(10.0 * MOST_POINTS)
    points = analyse_numbers(ComparedNumbers(values, values)).points
    assert len(points) == MOST_POINTS
    assert points[0] == (0.0, 0.0)
    assert points[-1][0] == values[-1]
