"""Dynamic task prioritisation against numbers worked by hand."""

import math

import pytest

from palm.balancing.history import TaskHistory
from palm.balancing.weighting import DynamicTaskPrioritization, TaskLosses


def dtp(**keys):
    return DynamicTaskPrioritization(DynamicTaskPrioritization.Config(**keys), TaskLosses())


def test_factors_by_metric_are_focal_losses_over_their_mean():
    """gamma 2: 0.25 * ln 2 = 0.173287 and 0.01 * ln(1 / 0.9) = 0.00105361; their mean is 0.0871703."""
    history = {"难": TaskHistory(dev_score=0.5), "easy": TaskHistory(dev_score=0.9)}
    found = dtp(weighting_by="metric", dtp_gamma=2.0).factors(history)
    assert found == pytest.approx({"难": 1.98791, "easy": 0.0120868}, abs=1e-5)


def test_by_loss_the_performance_is_the_likelihood_of_what_is_right():
    """Losses ln 2 and ln 4, so performances 1/2 and 1/4; gamma 1: 0.5 ln 2 and 0.75 ln 4 are as 1 to 3."""
    history = {"a": TaskHistory(smoothed_loss=math.log(2)), "b": TaskHistory(smoothed_loss=math.log(4))}
    assert dtp().factors(history) == pytest.approx({"a": 0.5, "b": 1.5})


def test_a_task_of_which_nothing_is_known_has_the_factor_1_and_the_others_the_mean_1():
    history = {"a": TaskHistory(dev_score=0.5), "b": TaskHistory(dev_score=0.5), "new": TaskHistory(smoothed_loss=3.0)}
    found = dtp(weighting_by="metric").factors(history)
    assert found == pytest.approx({"a": 1.0, "b": 1.0, "new": 1.0})


def test_where_everything_is_right_all_factors_are_1():
    history = {"a": TaskHistory(dev_score=1.0), "b": TaskHistory(dev_score=1.0)}
    assert dtp(weighting_by="metric").factors(history) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("figure", [0.0, -0.4])
def test_a_figure_of_nothing_counts_as_a_hundredth(figure):
    low = dtp(weighting_by="metric").factors({"low": TaskHistory(dev_score=figure), "mid": TaskHistory(dev_score=0.5)})
    ratio = 0.99 * math.log(100) / (0.5 * math.log(2))
    assert low["low"] / low["mid"] == pytest.approx(ratio)
