"""The interface of gradient methods: weights of the tasks' gradients in the update of the shared encoder."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from palm.registry import Registry
from palm.schema.facts import KeyFacts
from palm.schema.fields import Schema

FloatArray = NDArray[np.float64]


class GradientFields(Schema):
    """Keys of all gradient methods: none."""

    key_facts = KeyFacts(scope="stage")


class GradientMethod(ABC):
    """Weights of the tasks' gradients on the shared encoder. Concrete methods are final and stateless.

    All of them only need the inner products of the gradients, so none of them imports Paddle.

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
            generator: Source of randomness.
        """


GRADIENT_METHODS: Registry[type[GradientMethod]] = Registry("gradient method")
"""By name, for the key `weighting`, which also selects weightings."""


def even_weights(count: int) -> FloatArray:
    """The weights of the mean."""
    return np.full(count, 1.0 / count)
