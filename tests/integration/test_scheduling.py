"""Scheduling: who is trained when, what ends a run, and what a step may touch."""

import re

import numpy as np
import pytest

import palm
from palm.engine.train import train_steps
from tests.integration import tiny


def steps_of(controller):
    return list(train_steps(controller._training_run()))


def test_targets_end_at_exactly_their_expected_steps_and_are_exported_there(tmp_path):
    tasks = {
        "main": {**tiny.classification_task(tmp_path, "main"), "mix_ratio": 1.0},
        "half": {**tiny.classification_task(tmp_path, "half"), "mix_ratio": 0.5},
        "helper": {**tiny.mlm_task(tmp_path, "helper"), "mix_ratio": 0.5, "target": False},
    }
    palm.Controller(tiny.config(tmp_path, tasks), overrides=[]).train()
    lines = tiny.log_lines(tmp_path)
    trained = {"main": 0, "half": 0, "helper": 0}
    ended = {}
    for line in lines:
        if found := re.match(r"Global step: \d+\. Task: (\w+), step", line):
            trained[found[1]] += 1
        elif found := re.match(r"(\w+): train finished!", line):
            ended[found[1]] = trained[found[1]]
    assert ended == {"main": 12, "half": 6}  # 48 rows / 8 = 6 steps per epoch, 2 epochs, mix ratios 1.0 and 0.5
    assert sorted(path.parent.name for path in (tmp_path / "out").glob("*/infer_model")) == ["half", "main"]
    assert f"main: inference model saved at {(tmp_path / 'out/main/infer_model').as_posix()}" in lines


def test_the_log_line_is_that_of_the_original_byte_for_byte(tmp_path):
    palm.Controller(tiny.config(tmp_path, {"c": tiny.classification_task(tmp_path, "c")}), overrides=[]).train()
    pattern = r"Global step: 7\. Task: c, step 1/6 \(epoch 1\), loss: \d+\.\d{3}, speed: \d+\.\d{2} steps/s"
    assert sum(bool(re.fullmatch(pattern, line)) for line in tiny.log_lines(tmp_path)) == 1


def test_a_head_without_a_batch_does_not_move_by_one_bit(tmp_path):
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("a", "b", "c")}
    controller = palm.Controller(tiny.config(tmp_path, tasks, learning_rate=0.1, weight_decay=0.1), overrides=[])
    run = controller._training_run()
    heads = {name: before(run.model, name) for name in tasks}
    for result in train_steps(run):
        moved = {name for name in tasks if not np.array_equal(heads[name], before(run.model, name))}
        assert moved == ({result.task} if result.learning_rate else set())
        heads[result.task] = before(run.model, result.task)


def before(model, name):
    return np.concatenate(
        [value.numpy().ravel() for key, value in model.state_dict().items() if f"heads.{name}." in key]
    )


def test_finished_targets_are_drawn_on(tmp_path):
    tasks = {
        "main": {**tiny.classification_task(tmp_path, "main", count=16), "mix_ratio": 1.0},
        "other": {**tiny.classification_task(tmp_path, "other"), "mix_ratio": 1.0},
    }
    controller = palm.Controller(tiny.config(tmp_path, tasks, num_epochs=8), overrides=[])
    results = steps_of(controller)
    first_end = next(result for result in results if result.finished)
    after = [result.task for result in results[first_end.global_step :]]
    assert first_end.finished[0] in after
    assert results[-1].last


def test_max_steps_stops_the_run_and_exports_what_is_unfinished(tmp_path):
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("a", "b")}
    palm.Controller(tiny.config(tmp_path, tasks, max_steps=5), overrides=[]).train()
    assert sum(line.startswith("Global step") for line in tiny.log_lines(tmp_path)) == 5
    assert sorted(path.parent.name for path in (tmp_path / "out").glob("*/infer_model")) == ["a", "b"]


def test_accumulated_steps_make_one_update_of_their_mean_gradient(tmp_path):
    task = {"c": {**tiny.classification_task(tmp_path, "c"), "shuffle": False, "dropout_prob": 0.0}}
    still = {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "num_epochs": 1,
        "lr_scheduler": "constant",
    }
    whole = palm.Controller(tiny.config(tmp_path, task, batch_size=48, **still), overrides=[])
    parts = palm.Controller(tiny.config(tmp_path, task, gradient_accumulation_steps=6, **still), overrides=[])
    weights = []
    for controller in (whole, parts):
        run = controller._training_run()
        list(train_steps(run))
        weights.append({name: value.numpy() for name, value in run.model.state_dict().items()})
    for name, value in weights[0].items():
        assert weights[1][name] == pytest.approx(value, abs=2e-4), name


def test_every_batch_of_an_epoch_is_seen_once_and_epochs_differ(tmp_path):
    controller = palm.Controller(tiny.config(tmp_path, {"c": tiny.classification_task(tmp_path, "c")}), overrides=[])
    task = controller._tasks[0]
    epochs = [[tuple(row) for rows in task._plan(epoch) for row in [rows]] for epoch in (0, 1)]
    for epoch in epochs:
        assert sorted(index for rows in epoch for index in rows) == list(range(48))
    assert epochs[0] != epochs[1]


def test_ema_weights_are_exported_and_differ_from_the_latest(tmp_path):
    task = {"c": tiny.classification_task(tmp_path, "c")}
    controller = palm.Controller(tiny.config(tmp_path, task, use_ema=True, ema_decay=0.9), overrides=[])
    controller.train()
    latest = controller._built_model().state_dict()["heads.c.linear.weight"].numpy()
    from safetensors.numpy import load_file

    exported = load_file(str(tmp_path / "out/c/infer_model/model.safetensors"))["head.linear.weight"]
    assert not np.allclose(latest, exported)
