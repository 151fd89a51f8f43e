"""UPGrad: the mean of the gradients, each minimally changed so that it conflicts with no other."""

from typing import final

import numpy as np

from palm.balancing.gradients.base import GRADIENT_METHODS, FloatArray, GradientMethod, even_weights
from palm.balancing.gradients.quadratic import non_negative_minimum

_RIDGE = 1e-4  # of the reference implementation, TorchJD


@final
@GRADIENT_METHODS.register("upgrad")
class UnconflictingProjection(GradientMethod):
    """The mean of the gradients' projections onto the cone of directions that make no task worse.

    Source: arXiv:2406.16232, section 3.2; each projection solves the quadratic program of its proposition 1: of all
    v >= u, the one that minimizes `v·products·v`.
    """

    def weights(self, products: FloatArray, generator: np.random.Generator) -> FloatArray:
        """The factor of each task's gradient."""
        del generator
        scale = float(np.trace(products))
        mean = even_weights(len(products))
        if scale <= 0:
            return mean
        matrix = products / scale + _RIDGE * np.eye(len(products))
        added = [non_negative_minimum(matrix, -matrix @ share) for share in np.diag(mean)]
        weights: FloatArray = mean + np.sum(added, axis=0)
        return weights
