import numpy as np
import pytest

from palm.balancing.sampling import MixRatioSampler, SamplerFields, TaskMixture


def made(mix_ratios, *, seed):
    return MixRatioSampler(SamplerFields(), TaskMixture(mix_ratios, batches=[9] * len(mix_ratios), seed=seed))


def test_frequencies_over_20000_draws_are_within_one_percent():
    sampler = made([1.0, 0.5, 0.5], seed=1)
    draws = np.bincount([sampler.task_at(step) for step in range(1, 20_001)], minlength=3) / 20_000
    assert draws == pytest.approx([0.5, 0.25, 0.25], abs=0.01)


def test_a_draw_depends_on_seed_and_step_alone():
    first, second = made([1, 1, 1], seed=7), made([1, 1, 1], seed=7)
    forwards = [first.task_at(step) for step in range(1, 200)]
    backwards = [second.task_at(step) for step in range(199, 0, -1)]
    assert forwards == backwards[::-1]
    assert forwards != [made([1, 1, 1], seed=8).task_at(step) for step in range(1, 200)]


def test_a_task_with_ratio_zero_is_never_drawn():
    sampler = made([0.0, 1.0, 0.0, 2.0, 0.0], seed=3)
    assert {sampler.task_at(step) for step in range(1, 3000)} == {1, 3}
