"""CAGrad: the vector near the mean gradient with the largest improvement of the worst task."""

import math
from typing import final

import numpy as np

from palm.balancing.gradients.base import GRADIENT_METHODS, FloatArray, GradientMethod, even_weights
from palm.balancing.gradients.quadratic import nearest_on_simplex

RADIUS = 0.5  # c of the paper: largest distance from the mean gradient, as a fraction of its norm
_MOST_ROUNDS = 2000
_SMALL = 1e-4


@final
@GRADIENT_METHODS.register("cagrad")
class ConflictAverse(GradientMethod):
    """`g0 + c |g0| gw / |gw|`: g0 is the mean gradient, and w on the simplex minimizes `gw·g0 + c |g0| |gw|`.

    Where gw vanishes the update is g0, as with the damped quotient of the authors' code (Cranial-XIX/CAGrad);
    TorchJD's is 0. Source: arXiv:2110.14048, algorithm 1, with c = 0.5.
    """

    def weights(self, products: FloatArray, generator: np.random.Generator) -> FloatArray:
        """The factor of each task's gradient."""
        del generator
        mean = even_weights(len(products))
        scale = float(np.trace(products))
        if scale <= 0:
            return mean
        matrix = products / scale
        pull = RADIUS * _length(matrix, mean)
        worst = _worst_mix(matrix, pull)
        length = _length(matrix, worst)
        # If the worst mix vanishes, as for a converged task, nothing improves it, and the mean is used.
        found: FloatArray = mean + pull / length * worst if length >= _SMALL else mean
        return found


def _length(matrix: FloatArray, weights: FloatArray) -> float:
    return math.sqrt(max(float(weights @ matrix @ weights), 0.0))


def _worst_mix(matrix: FloatArray, pull: float) -> FloatArray:
    """Weights on the simplex that minimize `w·matrix·mean + pull * sqrt(w·matrix·w)`.

    By projected gradient descent.
    """
    found = mean = even_weights(len(matrix))
    step = 1.0

    def value(weights: FloatArray) -> float:
        return float(weights @ matrix @ mean) + pull * _length(matrix, weights)

    for _ in range(_MOST_ROUNDS):
        slope = matrix @ mean + pull * (matrix @ found) / max(_length(matrix, found), 1e-12)
        following = nearest_on_simplex(found - step * slope)
        move = following - found
        if value(following) <= value(found) + slope @ move + move @ move / (2 * step):
            found, step = following, step * 1.5
            if np.abs(move).max() < 1e-10:
                break
        else:
            step /= 2
    return found
