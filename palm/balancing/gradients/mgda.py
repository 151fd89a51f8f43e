"""MGDA: the shortest convex combination of the gradients."""

from typing import final

import numpy as np

from palm.balancing.gradients.base import GRADIENT_METHODS, FloatArray, GradientMethod, even_weights
from palm.balancing.gradients.quadratic import non_negative_minimum

_RIDGE = 1e-10  # keeps the program solvable if gradients are parallel


@final
@GRADIENT_METHODS.register("mgda")
class MultipleGradientDescent(GradientMethod):
    """Weights >= 0 with sum 1 that minimize the norm of the weighted sum.

    To first order, that sum makes no task worse; small gradients have the largest weights. Sources: Désidéri, 2012;
    arXiv:1810.04650, equation 3, solved exactly instead of by its algorithm 2.
    """

    def weights(self, products: FloatArray, generator: np.random.Generator) -> FloatArray:
        """The factor of each task's gradient."""
        del generator
        scale = float(np.trace(products))
        if scale <= 0:
            return even_weights(len(products))
        matrix = products / scale + _RIDGE * np.eye(len(products))
        found = non_negative_minimum(matrix, np.ones(len(products)))
        weights: FloatArray = found / found.sum()
        return weights
