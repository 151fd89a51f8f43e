"""Nash-MTL: the update that is the Nash bargaining solution of the tasks."""

import math
from typing import final

import numpy as np

from palm.balancing.gradients.base import GRADIENT_METHODS, FloatArray, GradientMethod, even_weights

_RIDGE = 1e-6
_SMALLEST = 1e-8  # relative to the longest gradient; a shorter one counts as 0
_MOST_ROUNDS = 200


@final
@GRADIENT_METHODS.register("nash_mtl")
class NashBargaining(GradientMethod):
    """Weights w > 0 with `products·w = 1 / w`, then scaled so that the sum of the gradients has at most norm 1.

    Independent of the losses' scales: the equation is solved for gradients of norm 1. A gradient of zero
    has weight 0. Source: arXiv:2202.01017, claim 3.1 and, for the norm, the default `max_norm` of its code.
    w is the minimum of the convex `w·products·w / 2 - sum(log w)`, by Newton's method with the steps for
    self-concordant functions (Boyd and Vandenberghe, Convex Optimization, section 9.6).
    """

    def weights(self, products: FloatArray, generator: np.random.Generator) -> FloatArray:
        """The factor of each task's gradient."""
        del generator
        lengths = np.sqrt(np.diag(products))
        present = lengths > _SMALLEST * lengths.max()
        if not present.any():
            return even_weights(len(products))
        lengths = lengths[present]
        weights = np.zeros(len(products))
        weights[present] = _bargain(products[np.ix_(present, present)] / np.outer(lengths, lengths)) / lengths
        return weights / max(1.0, math.sqrt(max(float(weights @ products @ weights), 0.0)))


def _bargain(cosines: FloatArray) -> FloatArray:
    """The weights of gradients of norm 1."""
    matrix = cosines + _RIDGE * np.eye(len(cosines))
    found = np.ones(len(cosines))
    for _ in range(_MOST_ROUNDS):
        slope = matrix @ found - 1.0 / found
        step = np.linalg.solve(matrix + np.diag(found**-2), slope)
        decrement = math.sqrt(max(float(slope @ step), 0.0))
        found = found - step / (1.0 + decrement if decrement > 0.25 else 1.0)
        if decrement < 1e-10:
            break
    return found
