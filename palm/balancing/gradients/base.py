"""What every gradient method is: how much of each task's gradient the update of the shared encoder takes."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from palm.registry import Registry
from palm.schema.facts import KeyFacts
from palm.schema.fields import Schema

FloatArray = NDArray[np.float64]


class GradientFields(Schema):
    """Keys that every gradient method takes: none."""

    key_facts = KeyFacts(scope="stage")


class GradientMethod(ABC):
    """Weights of the tasks' gradients on the shared encoder. Concrete methods are final and hold no state.

    All of them need no more of the gradients than their inner products, so none of them imports Paddle.

    Args:
        config: An instance of the class's `Config`.
    """

    Config: ClassVar[type[GradientFields]] = GradientFields

    def __init__(self, config: GradientFields) -> None:
        self.config = config

    @abstractmethod
    def weights(self, products: FloatArray, generator: np.random.Generator) -> FloatArray:
        """The factor of each task's gradient in the sum that updates the encoder: float64[task].

        Args:
            products: Inner products of the gradients, float64[task task].
            generator: Drives what is random.
        """


GRADIENT_METHODS: Registry[type[GradientMethod]] = Registry("gradient method")
"""By their names for the key `weighting`, which the weightings share."""


def even_weights(count: int) -> FloatArray:
    """Those of the mean."""
    return np.full(count, 1.0 / count)
