"""A gradient method in a whole run: when it updates, with what, and that a resumed run has it to the same bits."""

import numpy as np
import pytest

import palm
from palm.balancing.gradients import GRADIENT_METHODS, GradientFields
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny
from tests.integration.test_resume import fingerprint


def controller(folder, **keys):
    tasks = {
        "one": {**tiny.classification_task(folder, "one", count=24), "loss_weight": 2.0},
        "two": {**tiny.classification_task(folder, "two", count=24, flip=True, chinese=True)},
        "slots": {**tiny.slot_task(folder, "slots"), "mix_ratio": 0.5},
    }
    return palm.Controller(tiny.config(folder, tasks, **keys), overrides=[])


NO_DROPOUT = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0}


def test_the_update_is_the_methods_sum_of_the_tasks_gradients(tmp_path, monkeypatch):
    run = controller(tmp_path, mode="joint", weighting="mgda", **NO_DROPOUT)._training_run()
    run.model.train()
    rows, heads = [], {}
    for task in run.tasks:
        (run.model.loss(task, task.batch_at(0)) * task.settings.loss_weight).backward()
        found = {name: gradient.numpy() for name, gradient in run.optimizer.gradients().items()}
        rows.append({name: gradient for name, gradient in found.items() if name.startswith("backbone.")})
        heads |= {name: gradient for name, gradient in found.items() if name not in rows[-1]}
        tiny.clear_gradients(run.model)
    names = sorted(set().union(*rows))
    size = {name: next(row[name] for row in rows if name in row) for name in names}
    matrix = np.stack(
        [np.concatenate([row.get(name, np.zeros_like(size[name])).ravel() for name in names]) for row in rows]
    ).astype("float64")
    weights = GRADIENT_METHODS["mgda"](GradientFields()).weights(matrix @ matrix.T, None)
    taken = {}
    monkeypatch.setattr(
        run.optimizer, "step", lambda rate: taken.update({k: v.numpy() for k, v in run.optimizer.gradients().items()})
    )
    next(train_steps(run))
    wanted = weights @ matrix
    flat = np.concatenate([taken[name].ravel() for name in names])
    np.testing.assert_allclose(flat, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())
    for name, gradient in heads.items():
        np.testing.assert_allclose(taken[name], gradient, rtol=1e-4, atol=1e-6)


def test_alternating_steps_update_when_every_task_had_a_batch(tmp_path, monkeypatch):
    run = controller(tmp_path, weighting="pcgrad")._training_run()
    updates, whole = [], run.optimizer.step
    monkeypatch.setattr(run.optimizer, "step", lambda rate: (updates.append(run.progress.global_step), whole(rate)))
    drawn = [result.task for result in train_steps(run)]
    wanted, seen = [], set()
    for number, name in enumerate(drawn, 1):
        seen.add(name)
        if len(seen) == 3 or number == len(drawn):
            wanted.append(number)
            seen = set()
    assert updates == wanted
    assert len(updates) > 2


@pytest.mark.parametrize("mode", ["joint", "alternating"])
@pytest.mark.parametrize("name", list(GRADIENT_METHODS))
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, mode, name):
    keys = {"mode": mode, "weighting": name, "gradient_accumulation_steps": 2, "max_steps": 12}
    whole = controller(tmp_path, **keys)._training_run()
    for result in train_steps(whole):
        if result.global_step in (3, 6):
            save_checkpoint(whole, tmp_path / "ckpt", keep=2)
    save_checkpoint(whole, tmp_path / "whole", keep=1)
    for step in (3, 6):
        again = controller(tmp_path, **keys)._training_run()
        restore_checkpoint(again, tmp_path / "ckpt" / f"step_{step}")
        list(train_steps(again))
        save_checkpoint(again, tmp_path / "again", keep=1)
        last = again.progress.global_step
        assert fingerprint(tmp_path / "again" / f"step_{last}") == fingerprint(tmp_path / "whole" / f"step_{last}")


def test_a_batch_with_a_fault_leaves_its_task_waiting(tmp_path):
    run = controller(tmp_path, mode="joint", weighting="upgrad", on_nan="skip")._training_run()
    bad, whole = run.tasks[1], run.model.loss
    run.model.loss = lambda task, batch, **rest: whole(task, batch, **rest) * (float("nan") if task is bad else 1.0)
    before = {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}
    steps = train_steps(run)
    assert "task two" in next(steps).other_tasks[0].fault
    assert all(np.array_equal(tensor.numpy(), before[name]) for name, tensor in run.model.state_dict().items())
    run.model.loss = whole
    next(steps)
    assert all(np.isfinite(tensor.numpy()).all() for tensor in run.model.state_dict().values())
    assert any(not np.array_equal(tensor.numpy(), before[name]) for name, tensor in run.model.state_dict().items())


def test_a_method_with_one_task_or_a_frozen_encoder_is_refused(tmp_path):
    tasks = {"one": tiny.classification_task(tmp_path, "one")}
    with pytest.raises(
        ConfigError, match=r"pcgrad balances the gradients of two or more tasks\. Found 1 .* Add a task"
    ):
        palm.Controller(tiny.config(tmp_path, tasks, weighting="pcgrad"), overrides=[])
    with pytest.raises(ConfigError, match="all of its layers are frozen"):
        controller(tmp_path, weighting="mgda", freeze_layers=2, freeze_embeddings=True)
    with pytest.raises(ConfigError, match=r"unknown weighting `pcgrat`\. Did you mean `pcgrad`\?"):
        controller(tmp_path, weighting="pcgrat")


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_updates_go_on_after_a_target_has_left_the_mix(tmp_path, mode, monkeypatch):
    keys = {"leave_mix_when_finished": True, "num_epochs": 3}
    run = controller(tmp_path, mode=mode, weighting="pcgrad", **keys)._training_run()
    monkeypatch.setitem(run.__dict__, "targets", {**run.targets, "slots": 1})
    updates, whole = [], run.optimizer.step
    monkeypatch.setattr(run.optimizer, "step", lambda rate: (updates.append(run.progress.global_step), whole(rate)))
    results = list(train_steps(run))
    retired_tasks = next(result.global_step for result in results if "slots" in result.finished)
    assert sum(step > retired_tasks + 2 for step in updates) > 2
