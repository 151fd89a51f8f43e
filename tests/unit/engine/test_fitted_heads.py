"""Fitting heads: whose heads, to which rows, and that a training step knows nothing of it."""

import numpy as np
import pytest

import palm
from palm.engine.fitted_heads import fit_heads
from palm.engine.train import train_steps
from palm.training.run import build_run
from tests.integration import tiny


def run_of(folder, tasks, **keys):
    controller = palm.Controller(tiny.config(folder, tasks, max_steps=6, **keys), overrides=[])
    return build_run(controller._built_model(), controller._tasks, controller.config.train, controller.config.methods)


def few(folder, name="few", **keys):
    return {**tiny.classification_task(folder, name, 24, chinese=True), "reader": "embed", "paradigm": "embed", **keys}


def heads_of(run):
    return {name: tensor.numpy().copy() for name, tensor in run.model.heads.state_dict().items()}


def test_a_head_is_fitted_to_the_training_rows(tmp_path):
    run = run_of(tmp_path, {"few": few(tmp_path), "water": tiny.classification_task(tmp_path, "water", 24)})
    before = heads_of(run)
    assert not before["few.linear.weight"].any()
    fit_heads(run.model, run.tasks)
    after = heads_of(run)
    assert after["few.linear.weight"].any()
    assert all(np.array_equal(before[name], after[name]) for name in before if not name.startswith("few."))


def test_a_shared_head_is_fitted_to_the_rows_of_all(tmp_path):
    tasks = {"few": few(tmp_path), "more": few(tmp_path, "more", share_head_with="few")}
    run = run_of(tmp_path, tasks)
    fit_heads(run.model, run.tasks)
    both = heads_of(run)["few.linear.weight"]
    fit_heads(run.model, run.tasks[:1])
    assert not np.array_equal(heads_of(run)["few.linear.weight"], both)


@pytest.mark.parametrize("keys", [{}, {"use_ema": True, "ema_decay": 0.5}])
def test_training_is_the_same_to_the_bit_however_often_it_is_called(tmp_path, keys):
    def trained(folder, *, fits):
        folder.mkdir()
        run = run_of(folder, {"few": few(folder)}, **keys)
        for _ in train_steps(run):
            if fits:
                fit_heads(run.model, run.tasks)
        fit_heads(run.model, run.tasks)
        return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}

    often, once = trained(tmp_path / "often", fits=True), trained(tmp_path / "once", fits=False)
    assert all(np.array_equal(often[name], once[name]) for name in once)
