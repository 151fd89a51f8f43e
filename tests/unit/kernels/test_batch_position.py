"""Dropout of a part of a batch is that part of the dropout of the whole batch."""

import numpy as np
import paddle
import pytest

from palm.kernels import plain
from palm.kernels.batch_position import (
    BatchPosition,
    at_position,
    current_position,
    keeping_position,
    masks_before,
    rows_before,
    sequences_before,
    tokens_before,
)
from palm.kernels.contract import LayerSettings, LayerWeights, Rows
from palm.kernels.dense import attention_probabilities
from palm.kernels.fused import layer

HALF = BatchPosition(own=3, sequences=2, tokens=7, masks=4, total=5)


def numbers(*shape):
    return paddle.to_tensor(np.random.default_rng(3).normal(size=shape).astype("float32"))


def test_of_a_whole_batch_nothing_comes_before():
    assert current_position() is None
    assert [rows_before(6), tokens_before(), masks_before(), sequences_before()] == [0, 0, 0, 0]


def test_what_comes_before_the_rows_of_a_process():
    with at_position(HALF):
        assert [rows_before(3 * 8), tokens_before(), masks_before(), sequences_before()] == [16, 7, 4, 2]
        with at_position(None):
            assert rows_before(3 * 8) == 0
        assert rows_before(3) == 2
    assert current_position() is None


def test_a_function_keeps_the_position_of_where_it_was_made():
    whole = keeping_position(rows_before)
    with at_position(HALF):
        part = keeping_position(rows_before)
        assert whole(3) == 2
    assert [whole(3), part(3)] == [0, 2]


@pytest.mark.parametrize("dropout", [plain.dropout, layer.dropout])
def test_dropout(dropout):
    values = numbers(5 * 4, 16)
    paddle.seed(7)
    whole = dropout(values, 0.5).numpy()
    paddle.seed(7)
    with at_position(HALF):
        part = dropout(values[2 * 4 :], 0.5).numpy()
    assert 0 < (whole == 0).mean() < 1
    np.testing.assert_array_equal(part, whole[2 * 4 :])


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("by_head", [False, True])
def test_attention_probabilities(*, fused, by_head):
    scores = numbers(4, 5, 6, 6) if by_head else numbers(5, 4, 6, 6)
    paddle.seed(7)
    whole = attention_probabilities(scores.clone(), None, 0.5, fused=fused, by_head=by_head).dropped().numpy()
    paddle.seed(7)
    own = scores[:, 2:].contiguous() if by_head else scores[2:].contiguous()
    with at_position(HALF):
        part = attention_probabilities(own.clone(), None, 0.5, fused=fused, by_head=by_head).dropped().numpy()
    assert 0 < (whole == 0).mean() < 1
    np.testing.assert_array_equal(part, whole[:, 2:] if by_head else whole[2:])


@pytest.mark.parametrize("compute", [plain.compute_layer, layer.compute_layer])
def test_forward_and_backward_of_a_layer_wherever_the_backward_pass_is(compute):
    hidden, seq, inner = 12, 6, 20
    sizes = [(hidden, 3 * hidden), (3 * hidden,), (hidden, hidden), (hidden,), (hidden,), (hidden,)]
    sizes += [(hidden, inner), (inner,), (inner, hidden), (hidden,), (hidden,), (hidden,)]
    weights = LayerWeights(*(numbers(*size) for size in sizes))
    settings = LayerSettings(3, "gelu", 1e-12, 0.4, 0.4)
    values, gradient = numbers(5 * seq, hidden), numbers(5 * seq, hidden)

    def run(first, position):
        own = values[first * seq :].clone().detach()
        own.stop_gradient = False
        paddle.seed(7)
        with at_position(position):
            found = compute(own, weights, settings=settings, rows=Rows(5 - first, seq, None))
        found.backward(gradient[first * seq :])
        return found.numpy(), own.grad.numpy()

    for whole, part in zip(run(0, None), run(2, HALF), strict=True):
        np.testing.assert_allclose(part, whole[2 * seq :], rtol=1e-4, atol=1e-5)
