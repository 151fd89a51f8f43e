"""Packing a padded batch: the tokens that exist, in order, both ways and in gradients."""

import numpy as np
import paddle

from palm.kernels.contract import Rows
from palm.kernels.fused.packing import Packing

MASK = np.array([[0, 0, -10000], [-10000, 0, 0], [0, -10000, -10000]], "float32")  # also padding at the left


def test_tokens_keep_their_order_and_padding_becomes_zero():
    rows = Packing(Rows(3, 3, paddle.to_tensor(MASK.reshape(3, 1, 1, 3))))
    values = paddle.arange(1, 19, dtype="float32").reshape([9, 2])
    packed = rows.pack(values)
    np.testing.assert_array_equal(rows.rows.starts, [0, 2, 4, 5])
    np.testing.assert_array_equal(packed.numpy(), values.numpy()[[0, 1, 4, 5, 6]])
    expected = values.numpy() * (MASK.reshape(9, 1) == 0)
    np.testing.assert_array_equal(rows.unpack(packed).numpy(), expected)


def test_gradients_go_back_to_the_tokens_alone():
    rows = Packing(Rows(3, 3, paddle.to_tensor(MASK.reshape(3, 1, 1, 3))))
    values = paddle.ones([9, 2])
    values.stop_gradient = False
    factors = paddle.arange(18, dtype="float32").reshape([9, 2])
    (rows.unpack(rows.pack(values) * 2.0) * factors).sum().backward()
    np.testing.assert_array_equal(values.grad.numpy(), 2 * factors.numpy() * (MASK.reshape(9, 1) == 0))


def test_a_batch_without_padding_stays_as_it_is():
    rows = Packing(Rows(2, 3, None))
    values = paddle.ones([6, 2])
    assert rows.pack(values) is values
    assert rows.unpack(values) is values
    np.testing.assert_array_equal(rows.rows.starts, [0, 3, 6])
