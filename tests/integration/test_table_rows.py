"""Runs whose steps update the rows of their batch alone end in the bits of runs with dense updates."""

import hashlib
import shutil

import pytest

import palm
from palm.engine.optim import fused_adamw, optimizer
from palm.kernels.choice import choose_kernels
from palm.training import run as training_run
from tests.integration import tiny

pytestmark = pytest.mark.skipif(choose_kernels("auto").name != "fused", reason="no fused kernels")


def two_tasks(folder):
    return {
        "水": {**tiny.classification_task(folder, "water", count=32, chinese=True), "mix_ratio": 1.0},
        "slots": {**tiny.slot_task(folder, "slots"), "mix_ratio": 0.6},
    }


def with_mlm(folder):
    return two_tasks(folder) | {"words": {**tiny.mlm_task(folder, "words"), "target": False}}


# Keys, tasks, and whether the rows of the batches suffice.
CASES = {
    "usual": ({"weight_decay": 0.1, "warmup_proportion": 0.3, "lr_scheduler": "linear"}, two_tasks, True),
    "accumulation": ({"gradient_accumulation_steps": 3, "on_nan": "skip"}, two_tasks, True),
    "average": ({"use_ema": True, "ema_decay": 0.9, "weight_decay": 0.1}, two_tasks, True),
    "stochastic average": ({"weight_average": "swa"}, two_tasks, True),
    "joint": ({"mode": "joint", "batch_size": 8}, two_tasks, True),
    "two passes": ({"rdrop_alpha": 1.0}, two_tasks, True),
    "cosines": ({"log_gradient_cosines_every_n_steps": 2, "weight_decay": 0.1}, two_tasks, True),
    "best": ({"export": "best", "eval_every_n_steps": 2, "weight_decay": 0.1}, two_tasks, True),
    "frozen": ({"freeze_embeddings": True}, two_tasks, True),
    "unfreezing": ({"unfreeze_every_n_steps": 2}, two_tasks, False),
    "adversarial": ({"adversarial_epsilon": 0.5}, two_tasks, False),
    "smart": ({"smart_weight": 0.5}, two_tasks, False),
    "gradient method": ({"weighting": "pcgrad"}, two_tasks, False),
    "tied decoder": ({"weight_decay": 0.1}, with_mlm, False),
}


def train(folder, monkeypatch, case, *, by_rows, **more):
    """Train with every table, however small, by rows or not at all; returns hashes of what was written."""
    keys, tasks, _ = CASES[case]
    folder.mkdir(exist_ok=True)
    with monkeypatch.context() as patch:
        for module in (fused_adamw, optimizer):
            patch.setattr(module, "is_table", lambda parameter: parameter.ndim == 2 and parameter.shape[0] > 40)
        if not by_rows:
            patch.setattr(training_run, "reads_whole_table", lambda *_: True)
        found = palm.Controller(tiny.config(folder, tasks(folder), **keys, **more), overrides=[])
        run = found._training_run()
        found.train()
    return bool(run.optimizer._tables), {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.safetensors"))
    }


@pytest.mark.parametrize("case", CASES)
def test_checkpoints_and_models_are_those_of_dense_updates(case, tmp_path, monkeypatch):
    every = {"save_every_n_steps": 4, "keep_checkpoints": 100}
    dense, wanted = train(tmp_path / "dense", monkeypatch, case, by_rows=False, **every)
    by_rows, found = train(tmp_path / "rows", monkeypatch, case, by_rows=True, **every)
    assert not dense
    assert by_rows is CASES[case][2] or case == "frozen"
    assert len(wanted) > 6
    assert found == wanted


@pytest.mark.parametrize("case", ["usual", "accumulation", "average"])
def test_a_resumed_run_ends_in_the_bits_of_dense_updates(case, tmp_path, monkeypatch):
    every = {"save_every_n_steps": 4, "keep_checkpoints": 100}
    _, wanted = train(tmp_path / "whole", monkeypatch, case, by_rows=False, **every)
    (tmp_path / "rest" / "out" / "ckpt").mkdir(parents=True)
    shutil.copytree(tmp_path / "whole" / "out" / "ckpt" / "step_4", tmp_path / "rest" / "out" / "ckpt" / "step_4")
    _, found = train(tmp_path / "rest", monkeypatch, case, by_rows=True, resume="auto", **every)
    assert found == wanted
