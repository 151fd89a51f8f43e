import pytest

from palm.engine.lr_sched import learning_rate_at
from palm.schema.settings import TrainSettings


def rates(total, **settings):
    made = TrainSettings(learning_rate=1.0, **settings)
    return [learning_rate_at(step, made, total) for step in range(1, total + 3)]


def test_linear_warms_up_to_the_set_value_and_decays_to_zero_after_the_last_step():
    assert rates(6, warmup_proportion=1 / 3) == pytest.approx([0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0])


def test_without_warm_up_the_first_step_has_the_set_value():
    assert rates(4) == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0, 0.0])


def test_constant_stays_after_the_warm_up():
    assert rates(4, lr_scheduler="constant", warmup_proportion=0.5) == pytest.approx([0.5, 1.0, 1.0, 1.0, 1.0, 1.0])
