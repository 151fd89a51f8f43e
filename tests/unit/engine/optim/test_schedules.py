"""Schedules against rates worked by hand, over the steps of a run and two more."""

import pytest

from palm.engine.optim import SCHEDULES


def rates(total, name="linear", **keys):
    schedule = SCHEDULES[name](SCHEDULES[name].Config(**keys))
    return [schedule.factor(step, total) for step in range(1, total + 3)]


def test_linear_warms_up_to_the_set_value_and_decays_to_zero_after_the_last_step():
    assert rates(6, warmup_proportion=1 / 3) == pytest.approx([0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0])


def test_without_warm_up_the_first_step_has_the_set_value():
    assert rates(4) == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0, 0.0])


def test_constant_stays_after_the_warm_up():
    assert rates(4, "constant", warmup_proportion=0.5) == pytest.approx([0.5, 1.0, 1.0, 1.0, 1.0, 1.0])


def test_noam_decays_with_the_inverse_square_root_of_the_step():
    assert rates(8, "noam_decay", warmup_proportion=0.25)[:8] == pytest.approx(
        [0.5, 1.0, (2 / 3) ** 0.5, 0.5**0.5, 0.4**0.5, (1 / 3) ** 0.5, (2 / 7) ** 0.5, 0.5]
    )
    assert rates(2, "noam_decay") == [1.0] * 4


def test_the_name_of_paddlepalm_is_the_linear_schedule():
    assert SCHEDULES["linear_warmup_decay"] is SCHEDULES["linear"]
