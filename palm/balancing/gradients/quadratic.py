"""The small quadratic programs of the gradient methods."""

import numpy as np
from numpy.typing import NDArray

from palm.balancing.gradients.base import FloatArray

_TOLERANCE = 1e-12


def non_negative_minimum(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    """The x >= 0 that minimizes `x·matrix·x / 2 - vector·x`, for a positive definite matrix.

    The active set method of Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23.
    """
    found = np.zeros_like(vector)
    free = np.zeros(len(vector), bool)
    for _ in range(3 * len(vector)):
        slope = np.where(free, -np.inf, vector - matrix @ found)
        if slope.max() <= _TOLERANCE:
            break
        free[int(slope.argmax())] = True
        found = _free_minimum(matrix, vector, found, free)
    return found


def _free_minimum(matrix: FloatArray, vector: FloatArray, found: FloatArray, free: NDArray[np.bool_]) -> FloatArray:
    """The minimum over `free` elements, which are fixed at 0 one by one while they are negative."""
    while True:
        wanted = np.zeros_like(vector)
        wanted[free] = np.linalg.solve(matrix[np.ix_(free, free)], vector[free])
        falling = free & (wanted <= 0)
        if not falling.any():
            return wanted
        share = (found[falling] / (found[falling] - wanted[falling])).min()
        found = found + share * (wanted - found)
        free &= found > _TOLERANCE


def nearest_on_simplex(point: FloatArray) -> FloatArray:
    """The nearest non-negative weights with sum 1.

    Source: Duchi et al., Efficient Projections onto the l1-Ball, ICML 2008, figure 1.
    """
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - 1.0) / np.arange(1, len(point) + 1)
    last = np.flatnonzero(falling > excess)[-1]
    weights: FloatArray = np.maximum(point - excess[last], 0.0)
    return weights
