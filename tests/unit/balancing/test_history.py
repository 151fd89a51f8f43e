"""What a run knows about a task, against numbers worked by hand, and through JSON."""

import json
from dataclasses import asdict

import pytest

from palm.balancing.history import TaskHistory, history_from_saved


def noted(*losses, ends=()):
    history = TaskHistory()
    for number, loss in enumerate(losses, 1):
        history.note_loss(loss)
        if number in ends:
            history.end_epoch()
    return history


def test_losses_are_normalised_by_the_first():
    assert noted(4.0, 1.0).normalised(2.0) == 0.5


def test_the_first_loss_is_one_and_over_a_first_loss_of_nothing_there_is_none():
    assert TaskHistory().normalised(2.0) == 1.0
    assert noted(0.0).normalised(2.0) is None


def test_the_means_of_the_last_two_epochs_stay():
    found = noted(1.0, 3.0, 5.0, 7.0, 8.0, 10.0, 9.0, ends=(2, 4, 6))
    assert (found.epoch_losses, found.loss_sum, found.loss_count) == ([6.0, 9.0], 9.0, 1)


def test_an_epoch_without_a_loss_leaves_no_mean():
    history = noted(1.0, 3.0, ends=(2,))
    history.end_epoch()
    assert history.epoch_losses == [2.0]


def test_the_running_mean_takes_a_twentieth_of_each_new_loss():
    assert noted(4.0, 2.0).smoothed_loss == pytest.approx(3.9)


def test_it_is_the_same_after_json():
    history = {"任务": noted(1 / 3, 0.1 + 0.2, ends=(1,))}
    history["任务"].learned["log_variance"] = -1e-17 / 3
    saved = json.loads(json.dumps({name: asdict(own) for name, own in history.items()}))
    assert history_from_saved(saved) == history
