"""Softmax in numpy."""

import numpy as np
import pytest

from palm.paradigm.probabilities import softmax


def test_softmax_by_hand():
    # e^0 : e^ln 3 = 1 : 3
    assert softmax(np.array([0.0, np.log(3.0)])).tolist() == pytest.approx([0.25, 0.75])


def test_large_logits_do_not_overflow():
    assert softmax(np.array([[1e4, 1e4], [-1e9, 0.0]], "float32")).tolist() == [[0.5, 0.5], [0.0, 1.0]]
