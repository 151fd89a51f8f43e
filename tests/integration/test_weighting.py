"""Weightings in whole runs: what they do to the loss, and that a resumed run has it to the same bits."""

import hashlib
import math
import shutil

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny
from tests.integration.test_sampling import controller


def test_dwa_follows_the_mean_losses_of_the_epochs(tmp_path):
    whole = list(train_steps(controller(tmp_path, "exact", weighting="dwa", num_epochs=4)._training_run()))
    means = {
        (name, epoch): sum(r.loss for r in whole if (r.task, r.epoch) == (name, epoch)) / count
        for name, count in (("large", 6), ("small", 2))
        for epoch in (1, 2)
    }
    powers = {name: math.exp(means[name, 2] / means[name, 1] / 2) for name in ("large", "small")}
    last = [r for r in whole if r.epoch == 3]
    wanted = {name: 2 * power / sum(powers.values()) for name, power in powers.items()}
    assert all(math.isclose(r.loss_factor, wanted[r.task], rel_tol=1e-9) for r in last if r.global_step == 25)
    assert all(r.loss_factor == 1.0 for r in whole[:8])
    assert any(r.loss_factor != 1.0 for r in last)


def test_uncertainty_moves_the_factors_of_the_tasks_that_were_trained(tmp_path):
    keys = {"weighting": "uncertainty", "weighting_learning_rate": 0.1}
    results = list(train_steps(controller(tmp_path, "exact", **keys)._training_run()))
    for name in ("large", "small"):
        first, second = [r for r in results if r.task == name][:2]
        assert first.loss_factor == 1.0
        # Adam's first step is its rate, whatever the gradient: down where the loss is above a half.
        assert math.isclose(second.loss_factor, math.exp(-0.1 if first.loss > 0.5 else 0.1), rel_tol=1e-6)


def test_uncertainty_takes_the_form_of_squared_errors_for_numbers(tmp_path):
    rows = [["0.5", "大红鱼在河"], ["1", "小绿鸟在河"]] * 4
    file = tiny.write_tsv(tmp_path / "数.tsv", ["label", "text_a"], rows)
    tasks = {
        "数": {"reader": "cls", "paradigm": "regression", "label_kind": "number", "train_file": file},
        "labels": tiny.classification_task(tmp_path, "labels", count=8),
    }
    made = tiny.config(tmp_path, tasks, mode="joint", weighting="uncertainty", weighting_learning_rate=0.1)
    first, second = list(train_steps(palm.Controller(made, overrides=[])._training_run()))[:2]
    assert {part.task: part.loss_factor for part in first.parts} == {"数": 0.5, "labels": 1.0}
    # Adam's first step is its rate: s falls where half the squared error is below a half, and so on.
    signs = {part.task: -1 if part.loss * part.loss_factor > 0.5 else 1 for part in first.parts}
    wanted = {"数": 0.5 * math.exp(0.1 * signs["数"]), "labels": math.exp(0.1 * signs["labels"])}
    assert {part.task: part.loss_factor for part in second.parts} == pytest.approx(wanted)


@pytest.mark.parametrize("mode", ["alternating", "joint"])
def test_the_gradients_are_those_of_the_losses_times_their_factors(tmp_path, monkeypatch, mode):
    still = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0}
    run = controller(tmp_path, "mix_ratio", mode=mode, weighting="uncertainty", **still)._training_run()
    factors = {"large": 0.25, "small": 2.0}
    for name, factor in factors.items():
        run.history[name].learned["log_variance"] = -math.log(factor)
    drawn = [run.tasks[index] for index in run.sampler.tasks_at(1)]
    assert len(drawn) == (2 if mode == "joint" else 1)
    run.model.train()
    sum(factors[task.name] * run.model.loss(task, task.batch_at(0)) for task in drawn).backward()
    wanted = {name: gradient.numpy() for name, gradient in run.optimizer.gradients().items()}
    tiny.clear_gradients(run.model)
    taken = {}
    monkeypatch.setattr(
        run.optimizer, "step", lambda rate: taken.update({k: v.numpy() for k, v in run.optimizer.gradients().items()})
    )
    result = next(train_steps(run))
    assert {part.task: part.loss_factor for part in result.parts} == pytest.approx(
        {task.name: factors[task.name] for task in drawn}
    )
    assert taken.keys() == wanted.keys()
    for name, gradient in wanted.items():
        np.testing.assert_allclose(taken[name], gradient, rtol=1e-3, atol=1e-6, err_msg=name)


def fingerprint(folder):
    files = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors" or path.name == "progress.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("weighting", ["dwa", "uncertainty", "dtp", "gradnorm"])
def test_a_run_resumed_at_any_of_several_steps_ends_in_the_same_bits(tmp_path, weighting):
    def new_run():
        keys = {"weighting": weighting, "num_epochs": 3, "gradient_accumulation_steps": 2}
        return controller(tmp_path, "exact", **keys)._training_run()

    run, whole, home = new_run(), [], tmp_path / "ckpt"
    for result in train_steps(run):
        whole.append(result)
        save_checkpoint(run, home, keep=1000)
    assert len({result.loss_factor for result in whole}) > 1
    for stop in (1, 5, 12, 19, 23):
        again = new_run()
        restore_checkpoint(again, home / f"step_{stop}")
        rest = list(train_steps(again))
        shown = [(r.task, r.loss, r.loss_factor, r.normalised_loss) for r in rest]
        assert shown == [(r.task, r.loss, r.loss_factor, r.normalised_loss) for r in whole[stop:]]
        last = save_checkpoint(again, tmp_path / f"after_{stop}", keep=1)
        assert fingerprint(last) == fingerprint(home / last.name), f"stopped at step {stop}"


def test_gradnorm_resumes_in_the_same_bits_in_joint_steps_too(tmp_path):
    def new_run():
        keys = {"weighting": "gradnorm", "mode": "joint", "num_epochs": 2, "gradient_accumulation_steps": 2}
        return controller(tmp_path, "mix_ratio", **keys)._training_run()

    run, whole, home = new_run(), [], tmp_path / "ckpt"
    for result in train_steps(run):
        whole.append([(part.task, part.loss, part.loss_factor) for part in result.parts])
        save_checkpoint(run, home, keep=1000)
    assert {factor for _, _, factor in whole[0]} == {1.0}
    for parts in whole[1:]:
        factors = [factor for _, _, factor in parts]
        assert sum(factors) == pytest.approx(2.0)
        assert factors[0] != 1.0
    for stop in (1, 4, 9):
        again = new_run()
        restore_checkpoint(again, home / f"step_{stop}")
        rest = [[(part.task, part.loss, part.loss_factor) for part in result.parts] for result in train_steps(again)]
        assert rest == whole[stop:]
        last = save_checkpoint(again, tmp_path / f"after_{stop}", keep=1)
        assert fingerprint(last) == fingerprint(home / last.name), f"stopped at step {stop}"


@pytest.mark.parametrize(
    ("own", "keys", "found"),
    [
        ({}, {"freeze_layers": 2}, "Found layer 1, and freeze_layers: 2"),
        ({"layer": 0}, {"freeze_layers": 1}, "Found layer 0, and freeze_layers: 1"),
        ({"sharing": "soft"}, {}, "Found no layer that all share"),
    ],
)
def test_gradnorm_needs_a_layer_that_all_share_and_that_trains(tmp_path, own, keys, found):
    tasks = {"任务": tiny.classification_task(tmp_path, "任务"), "words": {**tiny.mlm_task(tmp_path, "words"), **own}}
    with pytest.raises(ConfigError, match=found):
        palm.Controller(tiny.config(tmp_path, tasks, weighting="gradnorm", **keys), overrides=[])


def test_a_run_that_follows_dev_figures_resumes_in_the_same_bits(tmp_path):
    def run(folder, **keys):
        folder.mkdir(exist_ok=True)
        keys = {"weighting": "dtp", "weighting_by": "metric", "eval_every_n_steps": 4, "save_every_n_steps": 1, **keys}
        controller(folder, "exact", keep_checkpoints=100, **keys).train()
        return folder / "out" / "ckpt"

    home = run(tmp_path / "whole")
    records = tiny.metrics(tmp_path / "whole")
    factors = [r["loss_factor"] for r in records if r["split"] == "train"]
    assert set(factors[:4]) == {1.0}
    assert set(factors[4:]) != {1.0}
    for stop in (3, 4, 9, 15):
        folder = tmp_path / str(stop)
        shutil.copytree(home / f"step_{stop}", folder / "out" / "ckpt" / f"step_{stop}")
        assert fingerprint(run(folder, resume="auto") / "step_16") == fingerprint(home / "step_16"), stop


def test_following_dev_figures_needs_a_dev_file_of_every_task(tmp_path):
    tasks = {"任务": tiny.classification_task(tmp_path, "任务"), "words": tiny.mlm_task(tmp_path, "words")}
    config = tiny.config(tmp_path, tasks, weighting="dtp", weighting_by="metric")
    with pytest.raises(ConfigError, match=r"follows the dev metrics of all tasks\. Found no dev_file for `words`\."):
        palm.Controller(config, overrides=[])


def test_following_dev_figures_needs_evaluations(tmp_path):
    tasks = {"任务": tiny.classification_task(tmp_path, "任务"), "other": tiny.classification_task(tmp_path, "other")}
    config = tiny.config(tmp_path, tasks, weighting="dtp", weighting_by="metric", eval_every_n_steps=0)
    with pytest.raises(ConfigError, match=r"eval_every_n_steps: .*too late for weighting_by: metric\. Set -1"):
        palm.Controller(config, overrides=[])


def test_a_loss_is_recorded_as_it_is_and_over_that_of_the_tasks_first_batch(tmp_path):
    tasks = {name: tiny.classification_task(tmp_path, name, count=24) for name in ("任务", "water")}
    palm.Controller(tiny.config(tmp_path, tasks), overrides=[]).train()
    records = [record for record in tiny.metrics(tmp_path) if record["split"] == "train"]
    for name in ("任务", "water"):
        own = [record for record in records if record["task"] == name]
        assert own[0]["loss_normalised"] == 1.0
        assert [r["loss_normalised"] for r in own] == pytest.approx([r["loss"] / own[0]["loss"] for r in own])
    # The line for people stays as PaddlePALM had it.
    line = next(line for line in tiny.log_lines(tmp_path) if line.startswith("Global step"))
    assert line.split(", speed: ")[0].endswith(f"(epoch 0), loss: {records[0]['loss']:.3f}")
