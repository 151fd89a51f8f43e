"""PALM 2's learning-rate schedules: their shape, and both spellings of their names."""

import pytest

from palm.api import optimizer
from palm.errors import ConfigError


def test_triangular_rises_to_1_and_falls_to_0_just_after_the_last_step():
    schedule = optimizer.TriangularSchedualer(2, 6.0)

    assert [schedule(step) for step in range(1, 9)] == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


def test_warmup_rises_to_1_and_stays():
    schedule = optimizer.WarmupSchedualer(4)

    assert [schedule(step) for step in (1, 2, 3, 4, 5, 1000)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_correct_spelling_is_the_same_schedule():
    assert optimizer.TriangularSchedualer is optimizer.TriangularScheduler
    assert optimizer.WarmupSchedualer is optimizer.WarmupScheduler


def test_a_warmup_longer_than_the_run_is_refused():
    with pytest.raises(ConfigError, match=r"warmup_steps lies between 0 and num_train_steps\. Found 7 and 6"):
        optimizer.TriangularScheduler(7, 6)
