"""Contrastive losses worked out by hand; `tests/parity/test_contrastive.py` compares them with PyTorch."""

import math

import numpy as np
import paddle
import pytest

from palm.paradigm.contrastive import in_batch_loss, mean_squared_error, pair_cosines, unit_length

# Of lengths 2, 1, 5 and 3, in the directions 0°, 90°, 53.13° (3-4-5) and 180°.
VECTORS = paddle.to_tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 4.0], [-3.0, 0.0]])


def ints(rows):
    return paddle.to_tensor(np.array(rows, "int64"))


def in_batch(vectors, rows, mask=None, *, scale=1.0, symmetric=False):
    mask = paddle.to_tensor(np.array([1.0] * len(rows) if mask is None else mask, "float32"))
    return float(in_batch_loss(vectors, ints(rows), mask, scale=scale, symmetric=symmetric))


def nll(own, *others):
    return -own + math.log(math.exp(own) + sum(map(math.exp, others)))


def test_vectors_of_length_one():
    np.testing.assert_allclose(unit_length(VECTORS).numpy(), [[1, 0], [0, 1], [0.6, 0.8], [-1, 0]], atol=1e-6)
    assert unit_length(paddle.zeros([1, 2])).numpy().tolist() == [[0.0, 0.0]]


def test_cosines_of_the_first_text_with_each_other():
    found = pair_cosines(VECTORS, ints([[0, 1, 3], [2, 0, 2]])).numpy()
    np.testing.assert_allclose(found, [[0, -1], [0.6, 1]], atol=1e-6)


def test_the_squared_error_is_a_mean_over_the_pairs_that_exist():
    cosines = paddle.to_tensor([[0.5, 0.2], [1.0, 0.4]])
    scores = paddle.to_tensor([[1.0, 0.0], [1.0, -100.0]])  # the last is no pair
    assert float(mean_squared_error(cosines, scores)) == pytest.approx((0.25 + 0.04 + 0.0) / 3)
    assert float(mean_squared_error(cosines, paddle.full([2, 2], -100.0))) == 0.0


def test_in_batch_negatives_by_hand():
    # Cosines of the left texts 0° and 90° with the right ones 53.13° and 180°: 0.6, -1; 0.8, 0.
    rows = [[0, 2], [1, 3]]
    expected = (nll(0.6, -1.0) + nll(0.0, 0.8)) / 2
    assert in_batch(VECTORS, rows) == pytest.approx(expected, abs=1e-6)
    scaled = (nll(12.0, -20.0) + nll(0.0, 16.0)) / 2
    assert in_batch(VECTORS, rows, scale=20.0) == pytest.approx(scaled, rel=1e-6)
    back = (nll(0.6, 0.8) + nll(0.0, -1.0)) / 2
    assert in_batch(VECTORS, rows, symmetric=True) == pytest.approx((expected + back) / 2, abs=1e-6)


def test_parts_of_a_batch_add_up_to_its_loss():
    rows = [[0, 2], [1, 3], [3, 0]]
    whole = in_batch(VECTORS, rows, scale=3.0, symmetric=True)
    parts = [in_batch(VECTORS, rows, mask, scale=3.0, symmetric=True) for mask in ([1, 1, 0], [0, 0, 1])]
    assert (2 * parts[0] + parts[1]) / 3 == pytest.approx(whole, abs=1e-6)


def test_a_text_is_no_negative_of_a_text_that_it_is_paired_with():
    # The second row has the same text on the right; the third has another left text with it.
    assert in_batch(VECTORS, [[0, 2], [0, 2]]) == 0.0
    assert in_batch(VECTORS, [[0, 2], [1, 2]]) == 0.0
    # 0° goes with 53.13° and with 180°, so that neither is the other's negative: both rows have none.
    assert in_batch(VECTORS, [[0, 2], [0, 3]]) == 0.0


def test_equal_negatives_count_once():
    # For the left text 0° the right text 180° is a negative, in two rows.
    found = in_batch(VECTORS, [[0, 2], [1, 3], [2, 3]], [1, 0, 0])
    assert found == pytest.approx(nll(0.6, -1.0), abs=1e-6)
