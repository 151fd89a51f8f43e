"""The loss of RGL over all pairs of a batch, by hand: log(1 + e^±100c) of each, summed, over 100 B (B - 1)."""

import math

import numpy as np
import paddle
import pytest

from palm.data.dataset import UNLABELLED
from palm.paradigm.rgl import rgl_loss


def loss_of(vectors, labels):
    return float(rgl_loss(paddle.to_tensor(vectors, dtype="float32"), paddle.to_tensor(labels, dtype="int64")))


def test_orthogonal_vectors():
    """Both pairs of an example with itself cost log(1 + e^-100), the two others log 2 whatever the labels."""
    for labels in ([0, 1], [1, 1]):
        assert loss_of([[2.0, 0.0], [0.0, 3.0]], labels) == pytest.approx(2 * math.log(2) / 2 / 100, rel=1e-5)


def test_equal_vectors_of_two_labels():
    """A cosine of 1 says "same label" with a score that is 100 higher: each of the two pairs costs 100."""
    assert loss_of([[1.0, 1.0], [5.0, 5.0]], [0, 1]) == pytest.approx((2 * 100) / 2 / 100, rel=1e-5)
    assert loss_of([[1.0, 1.0], [5.0, 5.0]], [1, 1]) == pytest.approx(0.0, abs=1e-7)


def test_three_examples_of_two_labels():
    """Cosines: 0.6 within the label; 0 and 0.8 with the other one; of nine pairs, those count."""
    vectors = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]
    expected = 2 * math.log(1 + math.exp(-60)) + 2 * math.log(2) + 2 * 80.0
    assert loss_of(vectors, [3, 3, 7]) == pytest.approx(expected / 6 / 100, rel=1e-5)


def test_it_is_the_cross_entropy_of_two_scores_of_each_pair():
    generator = np.random.default_rng(3)
    vectors, labels = generator.normal(size=(7, 5)) + 2.0, generator.integers(0, 3, 7)
    total = 0.0
    for one, label in zip(vectors, labels, strict=True):
        for other, other_label in zip(vectors, labels, strict=True):
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            scores = np.array([(1 - cosine) * 50, (1 + cosine) * 50])
            total += np.logaddexp(*scores) - scores[int(label == other_label)]
    assert loss_of(vectors, labels) == pytest.approx(total / (7 * 6) / 100, rel=1e-4)


@pytest.mark.parametrize("labels", [[0], [UNLABELLED], [0, UNLABELLED], [UNLABELLED, UNLABELLED]])
def test_fewer_than_two_labels_cost_nothing_and_have_no_gradient(labels):
    vectors = paddle.to_tensor([[1.0, 2.0]] * len(labels), stop_gradient=False)
    loss = rgl_loss(vectors, paddle.to_tensor(labels, dtype="int64"))
    loss.backward()
    assert loss.shape == []
    assert float(loss) == 0.0
    assert np.abs(vectors.grad.numpy()).max() == 0.0


def test_examples_without_a_label_are_left_out():
    vectors = [[1.0, 0.0], [9.0, 9.0], [0.6, 0.8]]
    assert loss_of(vectors, [0, UNLABELLED, 1]) == pytest.approx(loss_of([vectors[0], vectors[2]], [0, 1]), rel=1e-6)


def test_a_vector_of_zeros_is_finite_as_is_its_gradient():
    vectors = paddle.to_tensor([[0.0, 0.0], [1.0, 0.0]], stop_gradient=False)
    loss = rgl_loss(vectors, paddle.to_tensor([0, 1]))
    loss.backward()
    assert np.isfinite(float(loss))
    assert np.isfinite(vectors.grad.numpy()).all()


def test_a_step_along_the_gradient_brings_one_label_together():
    vectors = paddle.to_tensor([[1.0, 0.1], [0.1, 1.0], [1.0, -0.2]], stop_gradient=False)
    loss = rgl_loss(vectors, paddle.to_tensor([0, 0, 1]))
    loss.backward()
    assert loss_of((vectors - 0.05 * vectors.grad).numpy(), [0, 0, 1]) < float(loss)
