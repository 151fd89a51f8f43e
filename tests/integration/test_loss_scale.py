"""`amp: fp16`: on a CPU a warning; and its scaled loss in whole runs, computed in float32 for want of a GPU.

The factor is a power of two, so a run with it ends in the bits of one without.
"""

import copy

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import TrainingError
from palm.kernels import precision
from palm.kernels.precision import ChosenPrecision
from palm.training import run as run_module
from palm.training.non_finite import NonFiniteSteps
from tests.integration import tiny
from tests.integration.test_resume import fingerprint

METHODS = {
    "accumulation": {"gradient_accumulation_steps": 2},
    "gradnorm": {"weighting": "gradnorm", "mode": "joint"},
    "pcgrad": {"weighting": "pcgrad"},
    "attack": {"adversarial_epsilon": 0.5},
    "skip": {"on_nan": "skip", "gradient_accumulation_steps": 3},
}


def controller(folder, **keys):
    tasks = {
        "水": tiny.classification_task(folder, "water", count=32, chinese=True),
        "air": {**tiny.classification_task(folder, "air", count=32, flip=True), "loss_weight": 0.5},
    }
    return palm.Controller(tiny.config(folder, tasks, **{"max_steps": 10, **keys}), overrides=[])


def scaled_run(folder, **keys):
    run = controller(folder, **keys)._training_run()
    run.progress.amp = "fp16"
    return run


def weights(run):
    return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kernels", ["plain", "auto"])
@pytest.mark.parametrize("method", METHODS)
def test_a_scaled_run_ends_in_the_bits_of_one_without(tmp_path, method, kernels):
    keys = {**METHODS[method], "kernels": kernels}
    plain, scaled = controller(tmp_path, **keys)._training_run(), scaled_run(tmp_path, **keys)
    losses = [[result.loss for result in train_steps(run)] for run in (plain, scaled)]
    assert losses[0] == losses[1]
    assert same(weights(plain), weights(scaled))
    assert scaled.progress.loss_scale.skipped == 0
    assert scaled.progress.loss_scale.clean > 0


def test_a_gradient_that_overflows_costs_its_batch_alone_and_is_said(tmp_path):
    run = scaled_run(tmp_path, gradient_accumulation_steps=2)
    run.progress.loss_scale.value = 2.0**129  # not a float32
    lines = []
    reporter = type("Reporter", (), {"say": lambda self, line: lines.append(line)})()
    after = NonFiniteSteps(run, reporter, None)
    first = weights(run)
    steps = train_steps(run)
    for number in (1, 2):
        result = next(steps)
        after.after(result)
        assert result.fault is None
        assert np.isfinite(result.loss)
        assert same(first, weights(run)), number
    assert lines == [
        f"Global step {number}, task {task}: a gradient overflowed in float16. The batch was skipped "
        f"({number} in this run), and the loss scale is now {2.0 ** (129 - number):g}."
        for number, task in zip((1, 2), task_order(tmp_path), strict=False)
    ]
    run.progress.loss_scale.value = 2.0**16
    for result in steps:
        after.after(result)
    assert len(lines) == 2
    assert not same(first, weights(run))


def task_order(folder):
    return [result.task for result in train_steps(controller(folder, max_steps=2)._training_run())]


def test_an_overflow_keeps_the_earlier_batches_of_its_update(tmp_path):
    run = scaled_run(tmp_path, gradient_accumulation_steps=3)
    steps = train_steps(run)
    next(steps)
    before = {name: gradient.numpy().copy() for name, gradient in run.optimizer.gradients().items()}
    run.progress.loss_scale.value = 2.0**129
    next(steps)
    assert same(before, {name: gradient.numpy() for name, gradient in run.optimizer.gradients().items()})


def test_gradients_that_are_not_finite_by_themselves_are_a_fault(tmp_path):
    run = scaled_run(tmp_path, learning_rate=1e-9)
    run.progress.loss_scale.value = 1.0
    weight = run.model.state_dict()["backbone.encoder.layers.0.attention.qkv.weight"]
    weight.set_value(np.full(weight.shape, 1e38, "float32"))
    with pytest.raises(TrainingError, match="all gradients are finite numbers"):
        list(train_steps(run))


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, monkeypatch, stop):
    """With the factor, its count and the batches of an update that is not complete."""
    monkeypatch.setattr("palm.engine.loss_scale.GROWTH_INTERVAL", 3)
    whole = scaled_run(tmp_path, gradient_accumulation_steps=2)
    whole.progress.loss_scale.value = 2.0**129
    for result in train_steps(whole):
        if result.global_step == 2:
            whole.progress.loss_scale.value = 2.0**10
        if result.global_step == stop:
            save_checkpoint(whole, tmp_path / "ckpt", keep=1)
            kept = copy.copy(whole.progress.loss_scale)
    save_checkpoint(whole, tmp_path / "whole", keep=1)
    again = scaled_run(tmp_path, gradient_accumulation_steps=2)
    monkeypatch.setattr("palm.engine.checkpoint.continued_precision", lambda *_: ("fp16", []))
    restore_checkpoint(again, tmp_path / "ckpt" / f"step_{stop}")
    assert again.progress.loss_scale == kept
    for result in train_steps(again):
        if result.global_step == 2:
            again.progress.loss_scale.value = 2.0**10
    save_checkpoint(again, tmp_path / "again", keep=1)
    assert again.progress.loss_scale == whole.progress.loss_scale
    assert fingerprint(tmp_path / "whole" / "step_10") == fingerprint(tmp_path / "again" / "step_10")


def test_on_a_cpu_fp16_is_float32_with_one_warning(tmp_path, caplog):
    precision._warn_once.cache_clear()
    found = []
    for amp in ("fp16", "off"):
        run = controller(tmp_path, amp=amp, max_steps=3)._training_run()
        assert (run.progress.amp, run.model.amp) == ("off", "off")
        list(train_steps(run))
        found.append(weights(run))
    assert same(*found)
    said = [record.message for record in caplog.records if "fp16" in record.message]
    assert said == ["amp: fp16 cannot be used: float16 is computed on a GPU alone. Computing in float32."]


def test_what_was_trained_in_float16_is_evaluated_in_float32(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "choose_precision", lambda *_, **__: ChosenPrecision("fp16"))
    run = controller(tmp_path)._training_run()
    assert (run.progress.amp, run.model.amp) == ("fp16", "off")
