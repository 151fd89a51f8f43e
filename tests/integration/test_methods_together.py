"""Methods of several kinds in one run: it trains, and resumes in the same bits."""

import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from tests.integration import tiny

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
