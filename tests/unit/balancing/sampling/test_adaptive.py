"""Adaptive shares against numbers worked by hand."""

import numpy as np
import pytest

from palm.balancing.history import TaskHistory
from palm.balancing.sampling import AdaptiveSampler, TaskMixture


def sampler(mix_ratios=(1, 1), **keys):
    return AdaptiveSampler(AdaptiveSampler.Config(**keys), TaskMixture(mix_ratios, batches=[30, 10], seed=5))


def test_shares_by_loss_go_with_the_loss_over_the_first_one():
    """Needs 1/4 and 3/4; a fifth of the even share is kept: 0.1 + 0.8 / 4 and 0.1 + 0.8 * 3 / 4."""
    history = {
        "快": TaskHistory(first_loss=4.0, smoothed_loss=1.0),
        "b": TaskHistory(first_loss=1.0, smoothed_loss=0.75),
    }
    assert sampler(sampling_floor=0.2).probabilities(history) == pytest.approx([0.3, 0.7])


def test_shares_by_metric_go_with_what_the_figure_lacks_and_with_the_mix_ratio():
    """Mix ratios 3 to 1, needs 0.1 and 0.3: even, but for a half by the mix ratios."""
    history = {"a": TaskHistory(dev_score=0.9, smoothed_loss=9.0), "b": TaskHistory(dev_score=0.7)}
    found = sampler(mix_ratios=[3, 1], sampling_by="metric", sampling_floor=0.5).probabilities(history)
    assert found == pytest.approx([(0.75 + 0.5) / 2, (0.25 + 0.5) / 2])


@pytest.mark.parametrize(
    ("by", "far"), [("loss", {"first_loss": 1.0, "smoothed_loss": 9.0}), ("metric", {"dev_score": -0.7})]
)
def test_needs_have_a_limit(by, far):
    """A loss that has grown ninefold counts as twofold, a correlation below 0 as 0: needs 2 and 1, and 1 and 1/2."""
    history = {"far": TaskHistory(**far), "b": TaskHistory(first_loss=3.0, smoothed_loss=3.0, dev_score=0.5)}
    assert sampler(sampling_by=by, sampling_floor=1e-12).probabilities(history) == pytest.approx([2 / 3, 1 / 3])


def test_a_task_that_is_done_keeps_its_floor():
    history = {"done": TaskHistory(dev_score=1.0), "b": TaskHistory(dev_score=0.2)}
    assert sampler(sampling_by="metric", sampling_floor=0.25).probabilities(history) == pytest.approx([0.125, 0.875])


@pytest.mark.parametrize("figure", [None, 1.0])
def test_where_nothing_is_known_or_nothing_left_the_mix_ratios_count(figure):
    history = {"a": TaskHistory(dev_score=figure), "b": TaskHistory(dev_score=figure)}
    assert sampler(mix_ratios=[3, 1], sampling_by="metric").probabilities(history) == pytest.approx([0.75, 0.25])


def test_a_task_with_mix_ratio_0_stays_out():
    found = sampler(mix_ratios=[1, 0]).probabilities({"a": TaskHistory(), "b": TaskHistory()})
    assert found == [1.0, 0.0]


def test_draws_follow_the_shares():
    mixed = sampler().with_probabilities([0.2, 0.8])
    counts = np.bincount([mixed.task_at(step) for step in range(1, 10_001)]) / 10_000
    assert counts == pytest.approx([0.2, 0.8], abs=0.02)
    assert sampler().with_probabilities(None).task_at(3) == sampler().task_at(3)
