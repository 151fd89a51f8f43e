import numpy as np
import paddle
import pytest
from paddle import nn

from palm.engine.ema import WeightAverage


def model_with(value):
    model = nn.Linear(1, 1, bias_attr=False)
    model.weight.set_value(paddle.full([1, 1], value))
    return model


def test_the_average_is_the_bias_corrected_sum():
    model = model_with(1.0)
    average = WeightAverage(model, 0.9)
    for value in (1.0, 2.0, 4.0):
        model.weight.set_value(paddle.full([1, 1], value))
        average.update()
    wanted = 0.1 * (0.81 * 1.0 + 0.9 * 2.0 + 4.0) / (1 - 0.9**3)
    with average.applied():
        assert model.weight.item() == pytest.approx(wanted, rel=1e-6)
    assert model.weight.item() == 4.0


def test_own_weights_come_back_after_an_error():
    model = model_with(1.0)
    average = WeightAverage(model, 0.5)
    average.update()
    model.weight.set_value(paddle.full([1, 1], 3.0))
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert model.weight.item() == 3.0


def test_decay_zero_is_the_latest_weights_and_no_update_changes_nothing():
    model = model_with(1.5)
    average = WeightAverage(model, 0.0)
    with average.applied():
        assert model.weight.item() == 1.5
    average.update()
    with average.applied():
        assert model.weight.item() == 1.5


def test_a_restored_average_continues():
    model = model_with(2.0)
    first, second = WeightAverage(model, 0.9), WeightAverage(model, 0.9)
    first.update()
    second.restore({name: tensor.clone() for name, tensor in first.state().items()}, updates=first.updates)
    for average in (first, second):
        average.update()
    assert np.array_equal(first.state()["weight"].numpy(), second.state()["weight"].numpy())
