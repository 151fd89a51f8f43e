"""PCGrad: removes the conflicting component of each gradient."""

from typing import final

import numpy as np

from palm.balancing.gradients.base import GRADIENT_METHODS, FloatArray, GradientMethod


@final
@GRADIENT_METHODS.register("pcgrad")
class ProjectConflicts(GradientMethod):
    """Projects each gradient onto the normal plane of every conflicting one, in random order, and sums them.

    Source: arXiv:2001.06782, algorithm 1.
    """

    def weights(self, products: FloatArray, generator: np.random.Generator) -> FloatArray:
        """The factor of each task's gradient."""
        projected = np.eye(len(products))  # [task task]: each projected gradient as a sum of gradients
        for task, own in enumerate(projected):
            for other in generator.permutation(len(products)):
                conflict = products[other] @ own
                if other != task and conflict < 0 < products[other, other]:
                    own[other] -= conflict / products[other, other]
        weights: FloatArray = projected.sum(axis=0)
        return weights
