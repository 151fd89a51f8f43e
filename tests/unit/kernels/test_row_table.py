import numpy as np
import paddle
import pytest
from paddle.nn import functional

from palm.kernels.choice import choose_kernels
from palm.kernels.fused.row_table import EmbeddingRows

pytestmark = pytest.mark.skipif(choose_kernels("auto").name != "fused", reason="no fused kernels")

IDS = np.array([[7, 3, 7], [4999, 7, 0]])


def table(width=70):
    paddle.seed(3)
    return paddle.create_parameter([5000, width], "float32", default_initializer=paddle.nn.initializer.Normal())


def passes(lookup, parameter, end_pass):
    """Two backward passes, the first with two lookups of the table: numbers that only round alike in one order."""
    factors = paddle.to_tensor(np.random.default_rng(0).normal(size=[*IDS.shape, parameter.shape[1]]).astype("float32"))
    for ids in ([IDS, IDS[::-1].copy()], [IDS + 0]):
        sum((lookup(paddle.to_tensor(part)).exp() * factors).sum() for part in ids).backward()
        end_pass()


def dense_gradient(parameter):
    passes(lambda ids: functional.embedding(ids, parameter), parameter, lambda: None)
    return parameter.grad.numpy()


def test_the_gradient_is_that_of_a_dense_table_to_the_bit():
    wanted = dense_gradient(table())
    parameter = table()
    rows = EmbeddingRows(parameter)
    passes(rows.lookup, parameter, rows.end_pass)
    assert rows.gradient.rows.tolist() == [0, 3, 7, 4999]
    assert parameter.grad is None
    assert rows.dense_gradient().numpy().tobytes() == wanted.tobytes()


def test_rows_are_added_to_a_dense_gradient():
    wanted = dense_gradient(table())
    parameter = table()
    rows = EmbeddingRows(parameter)
    parameter.grad = paddle.zeros_like(parameter)
    passes(rows.lookup, parameter, rows.end_pass)
    assert rows.gradient is None
    assert parameter.grad.numpy().tobytes() == wanted.tobytes()


def test_a_lookup_catches_up_on_its_own_rows_first():
    asked, rows = [], EmbeddingRows(table())
    rows.catch_up = asked.append
    rows.lookup(paddle.to_tensor(IDS))
    assert [part.tolist() for part in asked] == [[0, 3, 7, 4999]]


def test_a_frozen_table_has_no_gradient():
    parameter = table()
    parameter.stop_gradient = True
    found = EmbeddingRows(parameter).lookup(paddle.to_tensor(IDS))
    assert found.stop_gradient
    assert np.array_equal(found.numpy(), parameter.numpy()[IDS])


def test_a_dropped_gradient_is_gone():
    rows = EmbeddingRows(table())
    rows.lookup(paddle.to_tensor(IDS)).sum().backward()
    rows.drop_gradient()
    rows.end_pass()
    assert rows.gradient is None
    assert rows.dense_gradient() is None
