"""Each sampler in a whole run: what ends it, and that it goes on where it stopped."""

import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny


def controller(folder, sampling, **keys):
    tasks = {
        "large": {**tiny.classification_task(folder, "large", count=48, chinese=True)},
        "small": {**tiny.classification_task(folder, "small", count=16)},
    }
    return palm.Controller(tiny.config(folder, tasks, sampling=sampling, **keys), overrides=[])


def test_exact_trains_every_batch_of_every_task_num_epochs_times(tmp_path):
    steps = [
        (result.task, result.epoch, result.step)
        for result in train_steps(controller(tmp_path, "exact")._training_run())
    ]
    wanted = [("large", epoch, step) for epoch in (0, 1) for step in range(1, 7)]
    wanted += [("small", epoch, step) for epoch in (0, 1) for step in (1, 2)]
    assert sorted(steps) == wanted


@pytest.mark.parametrize("sampling", ["exact", "proportional", "temperature", "annealed"])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, sampling):
    whole = controller(tmp_path, sampling, save_path=str(tmp_path / "whole"))
    run = whole._training_run()
    losses = [(result.task, result.loss) for result in train_steps(run)]
    names = [name for name, _ in losses]
    assert names.count("large") >= run.targets["large"] > 0
    assert names.count("small") >= run.targets["small"] > 0
    first = controller(tmp_path, sampling)._training_run()
    for result in train_steps(first):
        if result.global_step == 7:
            break
    save_checkpoint(first, tmp_path / "ckpt", keep=1)
    second = controller(tmp_path, sampling)._training_run()
    restore_checkpoint(second, tmp_path / "ckpt" / "step_7")
    assert [(result.task, result.loss) for result in train_steps(second)] == losses[7:]


def test_an_unknown_sampling_is_named_with_what_there_is(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown sampling `exakt`\. Did you mean `exact`\?"):
        controller(tmp_path, "exakt")
