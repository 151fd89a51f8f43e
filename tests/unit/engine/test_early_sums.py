"""Gradients that are summed over ranks while lower layers run backward are those that are summed at the end."""

import numpy as np
import pytest

import palm
from palm.distributed.ranks import Ranks
from palm.engine.early_sums import EarlySums
from palm.engine.optim.freezing import layer_of
from tests.integration import tiny


class Twins(Ranks):
    """Two ranks with the same gradients, whose sums are there when they are waited for."""

    def __init__(self):
        super().__init__(0, 2)
        self.begun = 0

    def begin_sum(self, flat):
        self.begun += 1
        return lambda: flat.set_value(flat * 2)


def made(folder, **keys):
    config = tiny.config(folder, {"water": {**tiny.classification_task(folder, "water"), **keys}})
    return palm.Controller(config, overrides=[])._training_run()


@pytest.mark.parametrize("keys", [{}, {"rdrop_alpha": 1.0}], ids=str)
def test_each_layer_is_sent_once_it_has_its_gradients(tmp_path, keys):
    """Also where a batch runs twice, so that each parameter gets its gradient from two places."""
    run = made(tmp_path, **keys)
    ranks, task = Twins(), run.tasks[0]
    sums = EarlySums(run.model, ranks)
    sums.begin()
    run.model.loss(task, task.batch_at(0)).backward()
    assert ranks.begun == 2
    done = sums.finish()
    own = {name: each.grad.numpy() for name, each in run.model.named_parameters() if each.grad is not None}
    assert done.keys() == {name for name in own if layer_of(name) in (0, 1)}
    for name, total in done.items():
        np.testing.assert_array_equal(total.numpy(), own[name] * 2)


def test_nothing_is_sent_outside_of_a_step(tmp_path):
    run = made(tmp_path)
    ranks, task = Twins(), run.tasks[0]
    sums = EarlySums(run.model, ranks)
    run.model.loss(task, task.batch_at(0)).backward()
    assert ranks.begun == 0
    assert sums.finish() == {}


def test_frozen_parameters_are_not_waited_for(tmp_path):
    run = made(tmp_path)
    ranks, task = Twins(), run.tasks[0]
    sums = EarlySums(run.model, ranks)
    for name, parameter in run.model.named_parameters():
        if name.startswith("backbone.encoder.layers.0."):
            parameter.stop_gradient = True
    sums.begin()
    run.model.loss(task, task.batch_at(0)).backward()
    assert {layer_of(name) for name in sums.finish()} == {1}
    assert ranks.begun == 1
