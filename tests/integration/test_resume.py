"""A resumed run ends in the same bits as one that was never stopped."""

import hashlib
import json
import shutil

import pytest
from safetensors.numpy import load_file

import palm
from palm.engine.checkpoint import newest_checkpoint
from tests.integration import tiny


def tasks(folder):
    return {
        "water": {**tiny.classification_task(folder, "water", count=24), "mix_ratio": 1.0},
        "words": {**tiny.mlm_task(folder, "words"), "mix_ratio": 0.7, "target": False},
        "slots": {**tiny.slot_task(folder, "slots"), "mix_ratio": 0.6},
    }


def controller(folder, **keys):
    made = tiny.config(folder, tasks(folder), use_ema=True, ema_decay=0.9, gradient_accumulation_steps=2, **keys)
    return palm.Controller(made, overrides=[])


def timeless(lines):
    timed = {"steps_per_second", "data_wait_fraction", "train_seconds"}
    return [{key: value for key, value in line.items() if key not in timed} for line in lines]


def fingerprint(folder):
    files = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors" or path.name == "progress.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped, with a checkpoint of every step."""
    folder = tmp_path_factory.mktemp("whole")
    controller(folder, save_every_n_steps=1, keep_checkpoints=1000).train()
    return folder / "out" / "ckpt"


def test_resume_from_every_step_ends_bit_identical(whole, tmp_path):
    numbers = sorted(int(path.name.removeprefix("step_")) for path in whole.iterdir())
    wanted = fingerprint(whole / f"step_{numbers[-1]}")
    for number in numbers[:-1]:
        home = tmp_path / str(number)
        shutil.copytree(whole / f"step_{number}", home / "out" / "ckpt" / f"step_{number}")
        stopped = controller(home, resume="auto", save_every_n_steps=1)
        stopped.train()
        newest, complaints = newest_checkpoint(home / "out" / "ckpt")
        assert (newest.name, complaints) == (f"step_{numbers[-1]}", [])
        assert fingerprint(newest) == wanted, f"stopped at step {number}"


def test_the_stop_points_meet_every_situation(whole):
    """Otherwise the test above would show less than it seems to."""
    steps = [json.loads((path / "progress.json").read_text())["task_steps"] for path in whole.iterdir()]
    gradients = [load_file(path / "gradients.safetensors") for path in whole.iterdir()]
    assert any(0 in done.values() for done in steps), "before a task's first batch"
    assert any(done["water"] > 3 for done in steps), "in the second epoch: 24 examples in batches of 8"
    assert any(done["water"] >= 6 and done["slots"] < 3 for done in steps), "after one target has finished"
    assert {bool(pending) for pending in gradients} == {True, False}, "inside an accumulation and after one"


def test_a_damaged_checkpoint_is_passed_over_and_named(whole, tmp_path):
    for number in (3, 4):
        shutil.copytree(whole / f"step_{number}", tmp_path / "out" / "ckpt" / f"step_{number}")
    weights = tmp_path / "out" / "ckpt" / "step_4" / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(bytes(damaged))
    controller(tmp_path, resume="auto").train()
    lines = tiny.log_lines(tmp_path)
    assert "step_4/model.safetensors: differs from what was written" in lines[0]
    assert lines[1].endswith("step_3 at global step 3.")


def test_only_the_newest_checkpoints_stay(tmp_path):
    controller(tmp_path, save_every_n_steps=2, keep_checkpoints=2, num_epochs=1).train()
    steps = sorted(int(path.name.removeprefix("step_")) for path in (tmp_path / "out" / "ckpt").iterdir())
    assert len(steps) == 2
    assert steps[1] == len([line for line in tiny.log_lines(tmp_path) if line.startswith("Global step")])


def test_a_run_that_starts_anew_sets_the_earlier_one_aside(tmp_path):
    for _ in range(2):
        controller(tmp_path, save_every_n_steps=4).train()
    out = tmp_path / "out"
    assert tiny.log_lines(tmp_path)[0] == f"An earlier run's ckpt, log.txt, metrics.jsonl moved to {out}/earlier/1."
    assert (out / "earlier" / "1" / "metrics.jsonl").is_file()
    controller(tmp_path, resume="auto").train()
    assert "Resumed from" in tiny.log_lines(tmp_path)[-1]
    assert tiny.log_lines(tmp_path)[-1].endswith("The run had ended: nothing is left to train.")


def test_a_run_that_died_after_its_last_export_still_writes_its_last_checkpoint(tmp_path):
    controller(tmp_path, save_every_n_steps=4).train()
    home = tmp_path / "out" / "ckpt"
    wanted, _ = newest_checkpoint(home)
    before = fingerprint(wanted)
    shutil.rmtree(wanted)
    controller(tmp_path, save_every_n_steps=4, resume="auto").train()
    newest, _ = newest_checkpoint(home)
    assert (newest, fingerprint(newest)) == (wanted, before)


def test_figures_after_the_checkpoint_are_written_once(tmp_path):
    controller(tmp_path, save_every_n_steps=100).train()
    whole = tiny.metrics(tmp_path)
    last = max(int(path.name.removeprefix("step_")) for path in (tmp_path / "out" / "ckpt").iterdir())
    shutil.rmtree(tmp_path / "out" / "ckpt")
    controller(tmp_path, save_every_n_steps=5, keep_checkpoints=100).train()
    for path in (tmp_path / "out" / "ckpt").iterdir():
        if path.name != "step_5":
            shutil.rmtree(path)
    controller(tmp_path, resume="auto").train()
    resumed = tiny.metrics(tmp_path)
    assert timeless(resumed) == timeless(whole)
    assert resumed[-1]["global_step"] == last
