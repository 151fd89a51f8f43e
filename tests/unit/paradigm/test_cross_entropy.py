"""Cross entropy as a mean over what is labelled."""

import math

import paddle
import pytest

from palm.paradigm.cross_entropy import mean_cross_entropy

LOGITS = [[0.0, math.log(3.0)], [0.0, 0.0], [5.0, -5.0]]  # probabilities 1/4 3/4, 1/2 1/2, …


def test_mean_over_labelled_rows_alone():
    loss = mean_cross_entropy(paddle.to_tensor(LOGITS), paddle.to_tensor([1, 0, -100]))

    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_nothing_labelled_gives_zero_and_no_gradient():
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    loss = mean_cross_entropy(logits, paddle.to_tensor([-100, -100, -100]))
    loss.backward()

    assert float(loss) == 0.0
    assert not logits.grad.numpy().any()
