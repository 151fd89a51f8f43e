"""Softmax over numpy arrays, for predictions."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, `float64[... class]`."""
    exponents = np.exp(logits.astype("float64") - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities
