"""The quadratic programs against every support in turn, and against what marks a nearest point."""

from itertools import combinations

import numpy as np
import pytest

from palm.balancing.gradients.quadratic import nearest_on_simplex, non_negative_minimum
from palm.randomness import philox


def least_of_all_supports(matrix, vector):
    """The best of the minima with each set of elements free and the others 0, of those that are not negative."""
    best, least = np.zeros_like(vector), 0.0
    for size in range(1, len(vector) + 1):
        for free in map(list, combinations(range(len(vector)), size)):
            point = np.zeros_like(vector)
            point[free] = np.linalg.solve(matrix[np.ix_(free, free)], vector[free])
            value = point @ matrix @ point / 2 - vector @ point
            if (point >= 0).all() and value < least:
                best, least = point, value
    return best


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_minimum_is_that_of_its_best_support(size):
    supports = set()
    for seed in range(40):
        generator = philox(seed, "program", size)
        factor = generator.normal(size=(size, size))
        matrix, vector = factor @ factor.T + 0.05 * np.eye(size), generator.normal(size=size)
        found = non_negative_minimum(matrix, vector)
        np.testing.assert_allclose(found, least_of_all_supports(matrix, vector), rtol=1e-6, atol=1e-9)
        supports.add(tuple(found > 0))
    assert len(supports) > min(size, 4)


def test_an_element_that_was_free_can_return_to_zero():
    """The second element alone lowers the value fastest, but with the first and the third it is of no use."""
    matrix = np.array([[1.0, 0.9, 0.0], [0.9, 2.0, 0.9], [0.0, 0.9, 1.0]])
    vector = np.array([1.0, 1.5, 1.0])
    assert non_negative_minimum(matrix, vector) == pytest.approx([1.0, 0.0, 1.0])


@pytest.mark.parametrize("size", [1, 2, 6])
def test_the_nearest_weights_differ_from_the_point_by_one_shift(size):
    """What marks it: weights that add up to 1, all lowered by the same amount, those at 0 by no more than it."""
    for seed in range(20):
        point = philox(seed, "point", size).normal(size=size) * 2
        found = nearest_on_simplex(point)
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()
        shift = (point - found)[found > 0]
        assert shift == pytest.approx(np.full(len(shift), shift[0]))
        assert (point[found == 0] <= shift[0] + 1e-12).all()
