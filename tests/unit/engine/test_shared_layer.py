"""The norms of the tasks' gradients against those of a backward pass of each task alone."""

import paddle
import pytest

import palm
from palm.engine.shared_layer import SharedLayer
from tests.integration import tiny


@pytest.mark.parametrize(("layer", "parameters"), [(-1, "layers.1."), (0, "layers.0.")])
def test_each_batch_is_measured_by_itself_on_the_last_layer_that_all_share(tmp_path, layer, parameters):
    tasks = {
        "water": {**tiny.classification_task(tmp_path, "water", chinese=True), "layer": layer},
        "words": tiny.mlm_task(tmp_path, "words"),
    }
    run = palm.Controller(tiny.config(tmp_path, tasks), overrides=[])._training_run()

    def loss(task):
        paddle.seed(7)  # the same dropout both times
        return run.model.loss(task, task.batch_at(0))

    alone = {}
    for task in run.tasks:
        loss(task).backward()
        own = [p.grad for name, p in run.model.named_parameters() if f"backbone.encoder.{parameters}" in name]
        alone[task.name] = float(paddle.concat([gradient.flatten() for gradient in own]).norm())
        run.model.clear_gradients(set_to_zero=False)
    measured = SharedLayer(run.model, run.tasks)
    for task in run.tasks:
        measured.begin()
        (loss(task) * 0.3).backward()
        measured.end(task.name, 0.3)
    assert measured.taken() == pytest.approx(alone, rel=1e-4)
    assert measured.taken() == {}
