"""Dynamic weight average against numbers worked by hand."""

import numpy as np
import pytest

from palm.balancing.history import TaskHistory
from palm.balancing.weighting import DynamicWeightAverage, TaskLosses, WeightingFields


def factors(losses):
    dwa = DynamicWeightAverage(WeightingFields(), TaskLosses())
    return dwa.factors({name: TaskHistory(epoch_losses=means) for name, means in losses.items()})


def test_the_task_whose_loss_falls_slowest_gets_the_most():
    """Rates 1 and 0.5: e^0.5 = 1.6487, e^0.25 = 1.2840; shares of their sum 2.9327, times 2."""
    found = factors({"slow": [2.0, 2.0], "快": [3.0, 1.5]})
    assert found == pytest.approx({"slow": 1.12435, "快": 0.87565}, abs=1e-4)


@pytest.mark.parametrize("losses", [{"a": [], "b": [5.0]}, {"a": [0.0, 1.0], "b": [2.0, 2.0]}])
def test_a_task_without_two_epochs_or_with_no_loss_to_compare_counts_as_unchanged(losses):
    assert factors(losses) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("means", [[1e-9, 1e9], [1.0, 10.0]])
def test_a_leap_of_the_loss_counts_as_tenfold_and_does_not_overflow(means):
    """e^5 = 148.413 and e^0.5 = 1.64872, of whose sum the first is 98.9013 %."""
    assert factors({"a": means, "b": [1.0, 1.0]}) == pytest.approx({"a": 1.978026, "b": 0.021974}, abs=1e-5)


def test_three_tasks_and_their_last_two_epochs_count():
    """The formula of the authors' code and of LibMTL, K softmax(L(t-1) / L(t-2) / 2): rates 3/2, 1 and 1/4."""
    found = factors({"up": [7.0, 2.0, 3.0], "same": [4.0, 4.0], "下": [8.0, 2.0]})
    powers = np.exp(np.array([1.5, 1.0, 0.25]) / 2)
    assert list(found.values()) == pytest.approx(list(3 * powers / powers.sum()))
