"""Sums of an encoder layer's gradients during the backward pass: of all its parameters, once, and of one pass alone."""

import numpy as np
import pytest

import palm
from palm.distributed.ranks import Ranks
from palm.engine.early_sums import EarlySums
from tests.integration import tiny


class Doubled(Ranks):
    """This rank and another one with the same gradients; each sum is finished when it is waited for."""

    def __init__(self):
        super().__init__(0, 2)
        self.begun = 0

    def begin_sum(self, flat):
        self.begun += 1
        twice = flat * 2
        return lambda: flat.set_value(twice)


@pytest.fixture
def run(tmp_path):
    tasks = {"water": tiny.classification_task(tmp_path, "water")}
    return palm.Controller(tiny.config(tmp_path, tasks), overrides=[])._training_run()


def backward(run):
    task = run.tasks[0]
    run.model.eval()
    run.model.loss(task, task.batch_at(0)).backward()
    return {name: gradient.numpy() for name, gradient in run.optimizer.gradients().items()}


def test_every_parameter_of_a_layer_is_summed_and_keeps_its_own_gradient(run):
    ranks = Doubled()
    early = EarlySums(run.model, ranks)
    early.begin()
    own = backward(run)
    sums = early.finish()
    layers = {name for name in own if name.startswith("backbone.encoder.layers.")}
    assert set(sums) == layers
    assert ranks.begun == run.model.backbone_config.num_hidden_layers
    for name, total in sums.items():
        assert np.array_equal(total.numpy(), 2 * own[name]), name
        assert np.array_equal(dict(run.model.named_parameters())[name].grad.numpy(), own[name]), name


def test_a_pass_that_nothing_began_is_not_summed(run):
    ranks = Doubled()
    early = EarlySums(run.model, ranks)
    backward(run)
    early.begin()
    assert early.finish() == {}
    backward(run)  # after the end of the one before
    assert ranks.begun == 0


def test_frozen_parameters_are_not_waited_for(run):
    ranks = Doubled()
    early = EarlySums(run.model, ranks)
    frozen = [each for name, each in run.model.named_parameters() if name.startswith("backbone.encoder.layers.0.")]
    for parameter in frozen:
        parameter.stop_gradient = True
    early.begin()
    backward(run)
    assert {name.split(".")[3] for name in early.finish()} == {"1"}
    assert ranks.begun == 1
