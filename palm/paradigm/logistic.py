"""Multinomial logistic regression on embeddings, fitted exactly, as scikit-learn's `LogisticRegression` is."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from palm.data.dataset import IntArray

Float64Array = NDArray[np.float64]

_ABSENT = -30.0
"""Bias of a class without a row below that of all others: its probability is then 0 but for rounding."""
_MOST_STEPS = 100
_MOST_PRODUCTS = 500
_TOLERANCE = 1e-6
"""Largest element of the gradient at the end, per row."""
_SHRINKS = 0.5
_LEAST_STEP = 1e-8
_SUFFICIENT = 1e-4
"""Of the decrease that the gradient promises; Nocedal and Wright, Numerical Optimization, section 3.1."""


def fit_logistic(features: np.ndarray, labels: IntArray, classes: int, *, inverse_penalty: float) -> np.ndarray:
    """Weights and, in the last row, biases that minimize the penalized cross entropy: float64[size+1 class].

    The objective is that of scikit-learn: half the squared length of the weights, biases excepted, and
    `inverse_penalty` (`C`) times the sum of the cross entropies. Nothing is random, so that equal rows give equal bits.

    Args:
        features: float[row size].
        labels: The class of each row: int64[row].
        classes: Number of classes; those without a row never win.
        inverse_penalty: Weight of the cross entropies.
    """
    present = np.unique(labels)
    targets = (labels[:, None] == present).astype("float64")  # [row present]
    inputs = np.concatenate([features.astype("float64"), np.ones((len(features), 1))], axis=1)
    found = _minimize(_Objective(inputs, targets, inverse_penalty))
    found[-1] -= found[-1].mean()
    whole = np.zeros((inputs.shape[1], classes))
    whole[-1] = found[-1].min(initial=0.0) + _ABSENT
    whole[:, present] = found
    return whole


@dataclass(frozen=True)
class _Objective:
    """The penalized cross entropy.

    Attributes:
        inputs: Features and a column of ones: float64[row size+1].
        targets: 1 for the class of each row: float64[row class].
        inverse_penalty: Weight of the cross entropies.
    """

    inputs: Float64Array
    targets: Float64Array
    inverse_penalty: float

    def log_probabilities(self, weights: Float64Array) -> Float64Array:
        """float64[row class]."""
        logits = self.inputs @ weights
        logits -= logits.max(axis=1, keepdims=True)
        return cast("Float64Array", logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))

    def value(self, weights: Float64Array) -> float:
        """The objective."""
        cross_entropies = -(self.targets * self.log_probabilities(weights)).sum()
        return float(0.5 * (weights[:-1] ** 2).sum() + self.inverse_penalty * cross_entropies)

    def gradient(self, weights: Float64Array, probabilities: Float64Array) -> Float64Array:
        """The derivative by the weights."""
        found = self.inverse_penalty * self.inputs.T @ (probabilities - self.targets)
        found[:-1] += weights[:-1]
        return cast("Float64Array", found)

    def curvature(self, direction: Float64Array, probabilities: Float64Array) -> Float64Array:
        """The matrix of second derivatives times `direction`."""
        moved = self.inputs @ direction  # [row class]
        moved = probabilities * (moved - (probabilities * moved).sum(axis=1, keepdims=True))
        found = self.inverse_penalty * self.inputs.T @ moved
        found[:-1] += direction[:-1]
        return cast("Float64Array", found)


def _minimize(objective: _Objective) -> Float64Array:
    """Newton's method with conjugate gradients: Nocedal and Wright, Numerical Optimization, algorithm 7.1."""
    weights = np.zeros((objective.inputs.shape[1], objective.targets.shape[1]))
    limit = _TOLERANCE * objective.inverse_penalty * max(len(objective.inputs), 1)
    for _ in range(_MOST_STEPS):
        probabilities = np.exp(objective.log_probabilities(weights))
        gradient = objective.gradient(weights, probabilities)
        if np.abs(gradient).max(initial=0.0) <= limit:
            break
        direction = _newton_direction(objective, gradient, probabilities)
        step = _step_length(objective, weights, direction, slope=float((gradient * direction).sum()))
        if not step:
            break
        weights = weights + step * direction
    return weights


def _newton_direction(objective: _Objective, gradient: Float64Array, probabilities: Float64Array) -> Float64Array:
    """An approximate solution of `curvature · direction = -gradient`, the nearer to it the smaller the gradient."""
    size = float(np.sqrt((gradient**2).sum()))
    limit = min(0.5, np.sqrt(size)) * size
    direction = np.zeros_like(gradient)
    rest, search = -gradient, -gradient
    squares = size**2
    for _ in range(_MOST_PRODUCTS):
        product = objective.curvature(search, probabilities)
        bend = float((search * product).sum())
        if bend <= 0.0:
            break
        step = squares / bend
        direction = direction + step * search
        rest = rest - step * product
        before, squares = squares, float((rest**2).sum())
        if np.sqrt(squares) <= limit:
            break
        search = rest + squares / before * search
    return direction if direction.any() else -gradient


def _step_length(objective: _Objective, weights: Float64Array, direction: Float64Array, *, slope: float) -> float:
    """The first of 1, 1/2, 1/4, … with a sufficient decrease; 0 where rounding leaves none."""
    start, step = objective.value(weights), 1.0
    while step > _LEAST_STEP:
        if objective.value(weights + step * direction) <= start + _SUFFICIENT * step * slope:
            return step
        step *= _SHRINKS
    return 0.0
