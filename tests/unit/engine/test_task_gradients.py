"""Gradients of tasks kept apart: means of their batches, balanced on the encoder, plain on the heads."""

import numpy as np
import paddle
import pytest

import palm
from palm.balancing.gradients import GRADIENT_METHODS, GradientFields
from palm.engine.task_gradients import SharedLayerGradients, TaskGradients, inner_products
from tests.integration import tiny


def gradients(**parts):
    return {name.replace("__", "."): paddle.to_tensor(values, "float32") for name, values in parts.items()}


def made(method="pcgrad", batches=1):
    return TaskGradients(GRADIENT_METHODS[method](GradientFields()), ["a", "b"], batches=batches, seed=1)


def test_the_encoder_gets_the_balanced_sum_and_heads_their_own():
    held = made()
    assert not held.pending
    held.add("a", gradients(backbone__w=[1.0, 0.0], heads__a__w=[5.0], heads__both__w=[1.0]))
    assert not held.complete()
    assert held.pending
    held.add("b", gradients(backbone__w=[-1.0, 1.0], heads__b__w=[7.0], heads__both__w=[2.0]))
    assert held.complete()
    found = {name: tensor.tolist() for name, tensor in held.take(1).items()}
    assert found == {"backbone.w": [0.5, 1.5], "heads.a.w": [5], "heads.b.w": [7], "heads.both.w": [3]}
    assert not held.complete()
    assert not held.pending
    assert held.take(2) == {}


def test_several_batches_of_a_task_count_as_their_mean():
    held = made(batches=2)
    for value in (1.0, 2.0, 6.0):
        held.add("a", gradients(backbone__w=[value, 0.0]))
    held.add("b", gradients(backbone__w=[0.0, 4.0]))
    assert not held.complete()
    held.add("b", gradients(backbone__w=[0.0, 8.0]))
    assert held.complete()
    assert held.take(1)["backbone.w"].tolist() == [3, 6]


def test_a_task_that_has_left_the_mix_is_not_waited_for():
    held = made()
    held.add("a", gradients(backbone__w=[1.0]))
    assert held.complete({"b"})
    assert held.take(1)["backbone.w"].tolist() == [1]


def test_parameters_that_one_task_leaves_alone_count_as_zero():
    one = gradients(backbone__w=[3.0, 4.0], backbone__pooler=[2.0], heads__a=[100.0])
    other = gradients(backbone__w=[1.0, 1.0], heads__a=[100.0])
    assert inner_products([one, other]).tolist() == [[29, 7], [7, 2]]


def test_one_task_alone_at_the_end_of_a_run_has_its_own_gradient():
    held = made("mgda")
    held.add("b", gradients(backbone__w=[3.0]))
    assert held.take(1)["backbone.w"].tolist() == [3]


def test_a_restored_state_goes_on_in_the_same_bits():
    held, again = made(batches=2), made(batches=2)
    numbers = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
    for row in numbers[:2]:
        held.add("a", gradients(backbone__w=row))
    held.add("b", gradients(backbone__w=numbers[2]))
    again.restore(held.state())
    for one in (held, again):
        one.add("b", gradients(backbone__w=numbers[0]))
    assert again.complete()
    assert again.take(3)["backbone.w"].tolist() == held.take(3)["backbone.w"].tolist()


@pytest.mark.parametrize("method", list(GRADIENT_METHODS))
def test_the_sum_is_that_of_the_methods_weights(method):
    rows = np.random.default_rng(2).normal(size=(2, 6)).astype("float32")
    held = made(method)
    for name, row in zip("ab", rows, strict=True):
        held.add(name, gradients(backbone__one=row[:4].reshape(2, 2), backbone__two=row[4:]))
    found = held.take(1)
    exact = rows.astype("float64")
    wanted = (
        GRADIENT_METHODS[method](GradientFields()).weights(exact @ exact.T, np.random.default_rng(3)) @ exact
    )  # two: no order
    flat = np.concatenate([found["backbone.one"].numpy().ravel(), found["backbone.two"].numpy()])
    np.testing.assert_allclose(flat, wanted, rtol=1e-4, atol=1e-6)


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
        tiny.clear_gradients(run.model)
    measured = SharedLayerGradients(run.model, run.tasks)
    for task in run.tasks:
        measured.begin()
        (loss(task) * 0.3).backward()
        measured.end(task.name, 0.3)
    assert measured.taken() == pytest.approx(alone, rel=1e-4)
    assert measured.taken() == {}
