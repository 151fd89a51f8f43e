"""Joint steps: each trains one batch of every task, and all that follows a step works as in alternating mode."""

import math

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny
from tests.integration.test_resume import fingerprint


def controller(folder, tasks=None, **keys):
    tasks = tasks or {
        "large": {**tiny.classification_task(folder, "large", count=48, chinese=True)},
        "small": {**tiny.classification_task(folder, "small", count=16), "mix_ratio": 0.2},
        "idle": {**tiny.classification_task(folder, "idle", count=16), "mix_ratio": 0, "target": False},
    }
    return palm.Controller(tiny.config(folder, tasks, mode="joint", **keys), overrides=[])


def test_a_step_trains_a_batch_of_every_task_and_each_follows_its_own_epochs(tmp_path):
    run = controller(tmp_path)._training_run()
    results = list(train_steps(run))
    found = [[(part.task, part.epoch, part.step) for part in result.parts] for result in results]
    wanted = [[("large", n // 6, n % 6 + 1), ("small", n // 2, n % 2 + 1)] for n in range(12)]
    assert found == wanted
    assert run.total_steps == 12
    assert results[-1].finished == ("large", "small")
    assert [result.last for result in results] == [False] * 11 + [True]
    assert run.progress.task_steps == {"large": 12, "small": 12, "idle": 0}


def test_the_update_is_that_of_the_weighted_sum_of_the_losses(tmp_path):
    tasks = {
        "one": {**tiny.classification_task(tmp_path, "one", count=8), "loss_weight": 2.0},
        "two": {**tiny.classification_task(tmp_path, "two", count=8, flip=True), "loss_weight": 0.5},
    }
    keys = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0}
    run = controller(tmp_path, tasks, gradient_accumulation_steps=2, **keys)._training_run()
    one, two = run.tasks
    run.model.train()
    total = run.model.loss(one, one.batch_at(0)) * 2.0 + run.model.loss(two, two.batch_at(0)) * 0.5
    (total / 2).backward()
    wanted = {name: gradient.numpy() for name, gradient in run.optimizer.gradients().items()}
    tiny.clear_gradients(run.model)
    next(train_steps(run))
    found = run.optimizer.gradients()
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name].numpy(), gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stop", [1, 2, 5, 8])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, stop):
    keys = {"gradient_accumulation_steps": 2, "weighting": "dwa", "use_ema": True, "ema_decay": 0.9}
    whole = controller(tmp_path, **keys)._training_run()
    losses = [[part.loss for part in result.parts] for result in train_steps(whole)]
    save_checkpoint(whole, tmp_path / "whole", keep=1)
    first = controller(tmp_path, **keys)._training_run()
    for result in train_steps(first):
        if result.global_step == stop:
            break
    save_checkpoint(first, tmp_path / "ckpt", keep=1)
    second = controller(tmp_path, **keys)._training_run()
    restore_checkpoint(second, tmp_path / "ckpt" / f"step_{stop}")
    assert [[part.loss for part in result.parts] for result in train_steps(second)] == losses[stop:]
    save_checkpoint(second, tmp_path / "again", keep=1)
    assert fingerprint(tmp_path / "again" / "step_12") == fingerprint(tmp_path / "whole" / "step_12")


def test_lines_figures_evaluations_and_exports_of_a_joint_run(tmp_path):
    made = controller(tmp_path, max_steps=7, eval_every_n_steps=3)
    made.train()
    lines = tiny.log_lines(tmp_path)
    steps = [line.split(", loss")[0] for line in lines if line.startswith("Global step")]
    assert steps[-2:] == [
        "Global step: 7. Task: large, step 1/6 (epoch 1)",
        "Global step: 7. Task: small, step 1/2 (epoch 3)",
    ]
    assert len(steps) == 14
    trained = [line for line in tiny.metrics(tmp_path) if line["split"] == "train"]
    assert [(line["global_step"], line["task"]) for line in trained[:3]] == [(1, "large"), (1, "small"), (2, "large")]
    evaluated = [(line["global_step"], line["task"]) for line in tiny.metrics(tmp_path) if line["split"] == "dev"]
    assert evaluated == [(step, name) for step in (3, 6, 7) for name in ("large", "small", "idle")]
    for name in ("large", "small"):
        assert f"{name}: train finished!" in lines
        assert len(made.pred(name)) == 16


def test_a_batch_with_a_fault_is_left_out_and_the_others_train(tmp_path):
    run = controller(tmp_path, on_nan="skip")._training_run()
    small = run.tasks[1]
    whole = run.model.loss
    run.model.loss = lambda task, batch, **rest: whole(task, batch, **rest) * (float("nan") if task is small else 1.0)
    before = {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}
    result = next(train_steps(run))
    large, other = result.parts
    assert large.fault is None
    assert math.isnan(other.loss)
    assert "task small, step 1/2 (epoch 0)" in other.fault
    after = run.model.state_dict()
    moved = {name for name, tensor in after.items() if not np.array_equal(tensor.numpy(), before[name])}
    assert any(name.startswith("heads.large.") for name in moved)
    assert not any(name.startswith("heads.small.") for name in moved)
    assert all(np.isfinite(tensor.numpy()).all() for tensor in after.values())


def test_sampling_has_nothing_to_choose_in_joint_steps(tmp_path):
    with pytest.raises(ConfigError, match="sampling chooses the task of a step, and a step of mode: joint"):
        controller(tmp_path, sampling="exact")
