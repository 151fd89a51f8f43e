"""Methods of several kinds in one run: it trains, predicts, and resumes in the same bits."""

import shutil

import pytest

import palm
from palm.balancing.sampling import SAMPLERS
from palm.engine.checkpoint import checkpoints, restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from tests.integration import tiny
from tests.integration.test_resume import fingerprint

STEPS = 6
FILES = ("model.safetensors", "optimizer.safetensors", "average.safetensors", "progress.json")


def run_of(folder, **keys):
    folder.mkdir(exist_ok=True)
    tasks = {
        "水": {**tiny.classification_task(folder, "水", count=24, chinese=True), "sharing": "soft", "lr_scale": 2.0},
        "slots": {**tiny.slot_task(folder, "slots"), "sharing": "private_layers", "smart_weight": 1.0},
        "pairs": {**tiny.match_task(folder, "pairs"), "sharing": "adapter", "rdrop_alpha": 1.0},
    }
    every = {"weight_average": "swa", "swa_start": 0.3, "unfreeze_every_n_steps": 1, "layer_lr_decay": 0.9}
    made = tiny.config(folder, tasks, **{"max_steps": STEPS, "num_epochs": 9, **every, **keys})
    return palm.Controller(made, overrides=[])._training_run()


@pytest.mark.parametrize(
    "keys",
    [
        {"mode": "joint", "weighting": "pcgrad"},
        {"mode": "joint", "weighting": "uncertainty"},
        {"sampling": "adaptive", "weighting": "dwa", "gradient_accumulation_steps": 2},
        {"sampling": "exact", "adversarial_epsilon": 0.5, "recompute": True},
    ],
    ids=lambda keys: "-".join(map(str, keys.values())),
)
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, keys):
    whole = run_of(tmp_path / "whole", **keys)
    for result in train_steps(whole):
        assert result.fault is None
        save_checkpoint(whole, tmp_path / "whole" / "ckpt", keep=99)
    for step in (2, 3):
        home = tmp_path / str(step)
        resumed = run_of(home, **keys)
        restore_checkpoint(resumed, tmp_path / "whole" / "ckpt" / f"step_{step}")
        list(train_steps(resumed))
        save_checkpoint(resumed, home / "ckpt", keep=1)
        for file in FILES:
            one, other = (folder / "ckpt" / f"step_{STEPS}" / file for folder in (tmp_path / "whole", home))
            assert one.read_bytes() == other.read_bytes(), (step, file)


def all_sharing(folder, sampler):
    """A controller of six tasks, each with another kind of sharing."""
    folder.mkdir()
    tasks = {
        f"{kind}_任务": {**tiny.classification_task(folder, kind, count=16, chinese=True), "sharing": kind}
        for kind in ("hard", "adapter", "lora", "private", "private_layers", "soft")
    }
    keys = {"num_epochs": 2, "save_every_n_steps": 5, "keep_checkpoints": 99, "eval_every_n_steps": 6}
    return palm.Controller(tiny.config(folder, tasks, sampling=sampler, resume="auto", **keys), overrides=[])


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_every_sampler_draws_tasks_of_every_kind_of_sharing(tmp_path, sampler):
    whole = all_sharing(tmp_path / "whole", sampler)
    whole.train()
    saved = checkpoints(tmp_path / "whole" / "out" / "ckpt")
    cut = saved[len(saved) // 2]
    resumed = all_sharing(tmp_path / "resumed", sampler)
    shutil.copytree(cut, tmp_path / "resumed" / "out" / "ckpt" / cut.name)
    resumed.train()
    assert fingerprint(tmp_path / "resumed" / "out" / "ckpt" / saved[-1].name) == fingerprint(saved[-1])
    drawn = {line["task"] for line in tiny.metrics(tmp_path / "whole") if line["split"] == "train"}
    assert drawn == {task.name for task in whole.config.tasks}
    exported = {line["task"] for line in tiny.metrics(tmp_path / "resumed") if line["split"] == "export"}
    assert exported
    for name in exported:
        assert whole.pred(name) == resumed.pred(name)
