"""The factor of the loss in float16: how it changes, and that gradients are what they are without it."""

import numpy as np
import paddle
import pytest

from palm.engine import loss_scale
from palm.engine.loss_scale import LossScale


def test_it_doubles_after_many_batches_without_an_overflow() -> None:
    scale = LossScale(value=4.0, clean=loss_scale.GROWTH_INTERVAL - 3)
    scale.after_step(batches=2, overflown=0)
    assert scale == LossScale(4.0, loss_scale.GROWTH_INTERVAL - 1)
    scale.after_step(batches=2, overflown=0)
    assert scale == LossScale(8.0)


def test_it_does_not_grow_without_end() -> None:
    scale = LossScale(value=loss_scale.LARGEST, clean=loss_scale.GROWTH_INTERVAL)
    scale.after_step(batches=1, overflown=0)
    assert scale.value == loss_scale.LARGEST


def test_overflows_halve_it_once_a_step_and_are_counted() -> None:
    scale = LossScale(value=4.0, clean=7)
    scale.after_step(batches=1, overflown=2)
    assert scale == LossScale(value=2.0, clean=0, skipped=2)
    assert scale.may_overflow
    scale.after_step(batches=0, overflown=1)
    assert scale == LossScale(value=1.0, clean=0, skipped=3)
    # Gradients that are not finite without a factor are a fault.
    assert not scale.may_overflow


@pytest.mark.parametrize("value", [1.0, 2.0**16, 2.0**24])
def test_gradients_have_the_bits_that_they_have_without_it(value: float) -> None:
    draw = np.random.default_rng(3).normal(size=(3, 4, 5)).astype("float32")
    own, earlier, other = (paddle.to_tensor(part) for part in draw)
    found = LossScale(value=value).added({"a": own * value, "b": other * value}, {"a": earlier, "c": earlier})
    assert list(found) == ["a", "c", "b"]
    assert np.array_equal(found["a"].numpy(), (earlier + own).numpy())
    assert np.array_equal(found["b"].numpy(), other.numpy())
    assert np.array_equal(found["c"].numpy(), earlier.numpy())
