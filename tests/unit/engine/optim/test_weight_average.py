import numpy as np
import paddle
import pytest
from paddle import nn

from palm.engine.optim import weight_average
from palm.engine.optim.weight_average import Exponential, Uniform, WeightAverage, build_average
from palm.schema.settings import TrainSettings


def model_with(value):
    model = nn.Linear(1, 1, bias_attr=False)
    model.weight.set_value(paddle.full([1, 1], value))
    return model


def test_the_average_is_the_bias_corrected_sum():
    model = model_with(1.0)
    average = WeightAverage(model, Exponential(0.9))
    for value in (1.0, 2.0, 4.0):
        model.weight.set_value(paddle.full([1, 1], value))
        average.update(1)
    wanted = 0.1 * (0.81 * 1.0 + 0.9 * 2.0 + 4.0) / (1 - 0.9**3)
    with average.applied():
        assert model.weight.item() == pytest.approx(wanted, rel=1e-6)
    assert model.weight.item() == 4.0


def test_own_weights_come_back_after_an_error():
    model = model_with(1.0)
    average = WeightAverage(model, Exponential(0.5))
    average.update(1)
    model.weight.set_value(paddle.full([1, 1], 3.0))
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert model.weight.item() == 3.0


def test_decay_zero_is_the_latest_weights_and_no_update_changes_nothing():
    model = model_with(1.5)
    average = WeightAverage(model, Exponential(0.0))
    with average.applied():
        assert model.weight.item() == 1.5
    average.update(1)
    with average.applied():
        assert model.weight.item() == 1.5


def test_the_uniform_average_is_the_mean_of_what_comes_after_its_start():
    model = model_with(0.0)
    average = WeightAverage(model, Uniform(start=2))
    for step, value in enumerate((100.0, 200.0, 1.0, 2.0, 6.0), start=1):
        model.weight.set_value(paddle.full([1, 1], value))
        average.update(step)
        if step < 3:
            with average.applied():
                assert model.weight.item() == value  # not begun: the weights themselves
    with average.applied():
        assert model.weight.item() == pytest.approx((1.0 + 2.0 + 6.0) / 3, rel=1e-6)
    assert model.weight.item() == 6.0


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, None),
        ({"use_ema": True, "ema_decay": 0.5}, Exponential(0.5)),
        ({"weight_average": "EMA", "ema_decay": 0.5}, Exponential(0.5)),
        ({"use_ema": True, "weight_average": "ema"}, Exponential(0.0)),
        ({"weight_average": "swa"}, Uniform(7)),  # 0.75 of 10 steps
        ({"weight_average": "swa", "swa_start": 0}, Uniform(0)),
    ],
)
def test_what_the_keys_ask_for(keys, expected):
    average = build_average(model_with(1.0), TrainSettings(**keys), 10)
    assert (average.rule if average else None) == expected


def test_an_average_of_nothing_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(weight_average, "_warned", set())
    for keys in ({}, {"ema_decay": 0.0}, {"use_ema": True, "ema_decay": 0.9}, {"weight_average": "swa"}):
        build_average(model_with(1.0), TrainSettings(**keys), 10)
    assert not caplog.records
    for keys in ({"use_ema": True}, {"use_ema": True}, {"weight_average": "ema"}):
        build_average(model_with(1.0), TrainSettings(**keys), 10)
    (said,) = caplog.messages
    assert said.startswith("ema_decay: with 0 the average equals the latest weights.")


def test_only_one_average():
    with pytest.raises(ValueError, match="use_ema means weight_average: ema, found `swa`; remove one of the two keys"):
        TrainSettings(use_ema=True, weight_average="swa")


@pytest.mark.parametrize("rule", [Exponential(0.9), Uniform(0)])
def test_a_restored_average_continues(rule):
    model = model_with(2.0)
    first, second = WeightAverage(model, rule), WeightAverage(model, rule)
    first.update(1)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()}, updates=first.updates)
    model.weight.set_value(paddle.full([1, 1], 5.0))
    for average in (first, second):
        average.update(2)
    assert first.updates == second.updates == 2
    assert np.array_equal(first.state()["weight"].numpy(), second.state()["weight"].numpy())
