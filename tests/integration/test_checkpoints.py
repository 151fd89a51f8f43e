"""Checkpoints under attack: damage, full disks, kills at any moment; which ones stay, and which are the best."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import palm
from palm.engine.checkpoint import checkpoints, newest_checkpoint, save_checkpoint
from palm.engine.selection import BestSoFar, Selection
from palm.engine.train import train_steps
from palm.errors import CheckpointError, ConfigError
from palm.storage.atomic_directory import verify
from tests.attacks import altered, reseal
from tests.integration import tiny
from tests.integration.damage import DAMAGES, damage
from tests.unit.storage.test_atomic_directory import states_on_disk


def tasks(folder):
    return {
        "water": {**tiny.classification_task(folder, "water", count=24), "mix_ratio": 1.0},
        "slots": {**tiny.slot_task(folder, "slots"), "mix_ratio": 1.0},
    }


def controller(folder, **keys):
    return palm.Controller(tiny.config(folder, tasks(folder), **{"num_epochs": 3, **keys}), overrides=[])


def steps_in(folder):
    return [int(path.name.removeprefix("step_")) for path in checkpoints(folder / "out" / "ckpt")]


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A folder with the checkpoints of steps 1 to 3."""
    folder = tmp_path_factory.mktemp("three")
    run = controller(folder)._training_run()
    for result in train_steps(run):
        save_checkpoint(run, folder / "ckpt", keep=3)
        if result.global_step == 3:
            return folder / "ckpt"
    raise AssertionError


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_and_the_previous_checkpoint_taken(three, tmp_path, kind):
    for seed in range(5):
        home = tmp_path / str(seed)
        shutil.copytree(three, home)
        damage(kind, home / "step_3", home / "step_2", random.Random(seed))
        newest, complaints = newest_checkpoint(home)
        assert newest == home / "step_2"
        assert len(complaints) == 1
        assert str(home / "step_3") in complaints[0]


def test_what_is_no_checkpoint_is_not_looked_at(three, tmp_path):
    shutil.copytree(three, tmp_path / "ckpt")
    for name in ("step_", "step_x", "step_²", "step_-1", "step_01", "step_4.damaged", ".step_9.writing-1"):
        (tmp_path / "ckpt" / name).mkdir()
    assert [path.name for path in checkpoints(tmp_path / "ckpt")] == ["step_1", "step_2", "step_3"]


def test_a_damaged_checkpoint_is_set_aside_and_does_not_count(three, tmp_path):
    shutil.copytree(three, tmp_path / "out" / "ckpt")
    (tmp_path / "out" / "ckpt" / "step_3" / "model.safetensors").write_bytes(b"")
    controller(tmp_path, resume="auto", save_every_n_steps=2, keep_checkpoints=3).train()
    assert "step_3/model.safetensors: differs from what was written" in tiny.log_lines(tmp_path)[0]
    assert (tmp_path / "out" / "ckpt" / "step_3.damaged").is_dir()
    for path in checkpoints(tmp_path / "out" / "ckpt"):
        verify(path)
    assert len(steps_in(tmp_path)) == 3


@pytest.mark.parametrize("keep", [1, 2])
def test_a_kill_at_any_moment_of_saving_and_rotating_leaves_a_good_checkpoint(tmp_path, keep):
    run = controller(tmp_path)._training_run()
    home = tmp_path / "ckpt"
    results = train_steps(run)
    next(results)
    save_checkpoint(run, home, keep=keep)

    def save_three():
        for result in results:
            save_checkpoint(run, home, keep=keep)
            if result.global_step == 4:
                break

    states = states_on_disk(home, save_three)
    assert len(states) > 30
    for state in states:
        newest, complaints = newest_checkpoint(state)
        assert newest is not None
        assert complaints == []
        assert newest == checkpoints(state)[-1]
    assert len(checkpoints(home)) == keep


def test_the_best_checkpoints_stay_and_each_targets_best_model_is_exported(tmp_path):
    keys = {"save_every_n_steps": 1, "keep_checkpoints": 1, "eval_every_n_steps": 1, "learning_rate": 0.02}
    controller(tmp_path, metric_for_best_model="loss", **keys).train()
    figures = [row for row in tiny.metrics(tmp_path) if row["split"] == "dev"]
    losses = {}
    for row in figures:
        losses.setdefault(row["global_step"], {})[row["task"]] = row["loss"]
    wanted = {
        "run": min(losses, key=lambda step: sum(losses[step].values()) / 2),
        **{task: min(losses, key=lambda step: losses[step][task]) for task in ("water", "slots")},
    }
    last = max(losses)
    saved = json.loads((tmp_path / "out" / "ckpt" / f"step_{last}" / "progress.json").read_text())["best"]
    found = {"run": saved["run"], **saved["tasks"]}
    assert {name: best["global_step"] for name, best in found.items()} == wanted
    assert steps_in(tmp_path) == sorted({last, *wanted.values()})
    for task in ("water", "slots"):
        model = palm.Predictor(tmp_path / "out" / task / "best_infer_model")
        again = model.evaluate(tasks(tmp_path)[task]["dev_file"])
        assert again["loss"] == pytest.approx(losses[wanted[task]][task], abs=1e-6)


def test_a_resumed_run_remembers_the_best(tmp_path):
    keys = {"save_every_n_steps": 1, "keep_checkpoints": 100, "eval_every_n_steps": 2, "learning_rate": 0.02}
    controller(tmp_path / "whole" if (tmp_path / "whole").mkdir() is None else None,
               metric_for_best_model="water.accuracy", **keys).train()  # fmt: skip
    whole = tmp_path / "whole" / "out" / "ckpt"
    last = checkpoints(whole)[-1].name
    (tmp_path / "again").mkdir()
    shutil.copytree(whole / "step_5", tmp_path / "again" / "out" / "ckpt" / "step_5")
    controller(tmp_path / "again", metric_for_best_model="water.accuracy", resume="auto", **keys).train()
    saved = [(home / last / "progress.json").read_bytes() for home in (whole, tmp_path / "again" / "out" / "ckpt")]
    assert saved[0] == saved[1]
    assert json.loads(saved[0])["best"]["tasks"]["slots"]["metric"] == "span_f1"


def test_a_best_score_that_is_not_reported_is_refused_before_training(tmp_path):
    with pytest.raises(ConfigError, match=r"metric_for_best_model: .*Found `acuracy`\. Did you mean `accuracy`\?"):
        controller(tmp_path, metric_for_best_model="acuracy").train()
    assert not (tmp_path / "out" / "ckpt").exists()


class _Task:
    """As much of a task instance as the choice of the best looks at."""

    def __init__(self, name, *, target=True):
        self.name, self.dev = name, object()
        self.settings = type("Settings", (), {"target": target})


def test_the_best_of_the_run_waits_until_every_target_was_evaluated():
    best = BestSoFar()
    both = [_Task("a"), _Task("b"), _Task("auxiliary", target=False)]
    assert not best.note({"a": {"f1": 0.9}}, both, selection=Selection("f1"), global_step=1).run
    assert best.note({"a": {"f1": 0.5}, "b": {"f1": 0.7}}, both, selection=Selection("f1"), global_step=2).run
    assert best.run.value == pytest.approx(0.6)
    improved = best.note({"a": {"f1": 0.5}, "b": {"f1": 0.7}}, both, selection=Selection("f1"), global_step=3)
    assert not improved, "as good is no better"
    assert not best.note({"a": {"f1": float("nan")}, "b": {"f1": 0.7}}, both, selection=Selection("f1"), global_step=4)
    assert best.tasks["a"].global_step == 1
    assert best.steps == {1, 2}


SCRIPT = """
    import os, sys
    os.environ["OMP_NUM_THREADS"] = "1"
    import palm
    from palm import Controller  # before what imports Paddle 2.6
    from tests.integration import tiny
    from tests.integration.test_checkpoints import tasks
    from pathlib import Path
    folder = Path(sys.argv[1])
    {before}
    try:
        Controller(tiny.config(folder, tasks(folder), save_path=sys.argv[2], save_every_n_steps=1,
                               resume="auto", num_epochs=3), overrides=[]).train()
    except palm.errors.CheckpointError as error:
        print("REFUSED", error)
"""


def run_script(folder, save_path, before="", prefix=()):
    script = textwrap.dedent(SCRIPT).replace("{before}", before)
    environment = {**os.environ, "PYTHONPATH": str(Path(palm.__file__).parents[1])}
    words = [*prefix, sys.executable, "-W", "ignore", "-c", script, str(folder), str(save_path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_a_file_that_may_not_grow_says_what_was_needed_and_leaves_earlier_checkpoints(three, tmp_path):
    shutil.copytree(three, tmp_path / "out" / "ckpt")
    limit = 100_000
    assert (three / "step_3" / "optimizer.safetensors").stat().st_size > limit
    before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {resource.RLIM_INFINITY}))"
    said = run_script(tmp_path, tmp_path / "out", before)
    assert "REFUSED" in said
    assert "File too large. It needs 0." in said
    assert "MB were free. Free some space, or choose another save_path." in said
    assert newest_checkpoint(tmp_path / "out" / "ckpt") == (tmp_path / "out" / "ckpt" / "step_3", [])
    assert sorted(path.name for path in (tmp_path / "out" / "ckpt").iterdir()) == ["step_1", "step_2", "step_3"]


def may_mount():
    """Whether a disk of our own is available, in a name space that ends with its process."""
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_mount(), reason="needs unshare(1) and the right to mount a tmpfs of one's own")
@pytest.mark.parametrize(("option", "reason"), [("rw", "No space left on device"), ("ro", "Read-only file system")])
def test_a_disk_that_takes_no_more(three, tmp_path, option, reason):
    mount = tmp_path / "disk"
    mount.mkdir()
    pages = sum(path.stat().st_size // 4096 + 1 for path in three.rglob("*"))
    shell = (
        f"mount -t tmpfs -o size={4 * pages + 150}k none {mount} && mkdir {mount}/out &&"
        f" cp -r {three} {mount}/out/ckpt &&"
        f' mount -o remount,{option} {mount} && "$@"; cp -r {mount}/out/ckpt {tmp_path}/left'
    )
    said = run_script(tmp_path, mount / "out", prefix=("unshare", "-rm", "sh", "-c", shell, "sh"))
    assert "REFUSED" in said
    assert reason in said
    assert "What was there before is untouched." in said
    newest, complaints = newest_checkpoint(tmp_path / "left")
    assert (newest, complaints) == (tmp_path / "left" / "step_3", [])


def test_a_checkpoint_of_other_tasks_or_another_average_is_refused(three, tmp_path):
    shutil.copytree(three, tmp_path / "out" / "ckpt")
    with pytest.raises(CheckpointError, match=r"was saved with weight_average `off`.* Found `ema` now"):
        controller(tmp_path, resume="auto", use_ema=True).train()
    only = tiny.config(tmp_path, {"water": tasks(tmp_path)["water"]}, resume="auto")
    with pytest.raises(CheckpointError, match=r"is of a run with tasks \['slots', 'water'\]; this run has"):
        palm.Controller(only, overrides=[]).train()


@pytest.mark.parametrize("weighting", ["fixed", "pcgrad"])
def test_what_was_gathered_for_layers_that_are_frozen_now_is_left_out(tmp_path, weighting):
    keys = {"save_every_n_steps": 1, "gradient_accumulation_steps": 3, "weighting": weighting}
    controller(tmp_path, max_steps=3, **keys).train()
    shutil.rmtree(tmp_path / "out" / "ckpt" / "step_3")
    pending = load_file(tmp_path / "out" / "ckpt" / "step_2" / "gradients.safetensors")
    assert any("backbone.encoder.layers.0." in name for name in pending)
    before = load_file(tmp_path / "out" / "ckpt" / "step_2" / "model.safetensors")
    controller(tmp_path, max_steps=12, resume="auto", freeze_layers=1, **keys).train()
    after = load_file(checkpoints(tmp_path / "out" / "ckpt")[-1] / "model.safetensors")
    moved = {name for name in before if (before[name] != after[name]).any()}
    assert any("encoder.layers.1." in name for name in moved)
    assert not any("encoder.layers.0." in name for name in moved)


@pytest.mark.parametrize("average", [{"use_ema": True, "ema_decay": 0.5}, {"weight_average": "swa", "swa_start": 0}])
def test_the_average_of_a_layer_that_trains_from_now_on_begins_at_its_weights(tmp_path, average):
    keys = {"save_every_n_steps": 1, "learning_rate": 1e-30, **average}
    controller(tmp_path, max_steps=3, freeze_layers=1, **keys).train()
    resumed = controller(tmp_path, max_steps=4, resume="auto", **keys)
    resumed.train()
    own = {name: tensor.numpy() for name, tensor in resumed._model.state_dict().items()}
    exported = load_file(tmp_path / "out" / "water" / "infer_model" / "model.safetensors")
    thawed = [name for name in exported if "backbone.encoder.layers.0." in name]
    assert len(thawed) == 12
    for name in thawed:  # which nearly no learning rate has moved
        assert exported[name] == pytest.approx(own[name], rel=1e-5, abs=1e-7), name


def test_a_checkpoint_resealed_with_nonsense_is_taken_or_refused(three, tmp_path):
    """The one before it is taken, with the reason; never a traceback, whatever part of it is changed."""
    shutil.copytree(three, tmp_path / "ckpt")
    file = tmp_path / "ckpt/step_3/progress.json"
    refused = 0
    for name, changed in altered(json.loads(file.read_text(encoding="utf-8"))):
        file.write_text(json.dumps(changed), encoding="utf-8")
        reseal(file.parent)
        newest, complaints = newest_checkpoint(tmp_path / "ckpt")
        assert newest.name == ("step_2" if complaints else "step_3"), name
        refused += bool(complaints)
    assert refused > 300
    for text in ("[" * 100_000, "null", "[]", ""):
        file.write_text(text, encoding="utf-8")
        reseal(file.parent)
        assert newest_checkpoint(tmp_path / "ckpt")[0].name == "step_2"


def test_a_run_that_goes_on_with_other_values_says_so(tmp_path):
    controller(tmp_path, save_every_n_steps=2, num_epochs=1).train()
    controller(tmp_path, save_every_n_steps=3, num_epochs=1, resume="auto").train()
    assert not any("Changed since the run" in line for line in tiny.log_lines(tmp_path))
    controller(tmp_path, resume="auto", num_epochs=2, learning_rate=1e-3).train()
    said = next(line for line in tiny.log_lines(tmp_path) if "Changed since the run" in line)
    assert "learning_rate 0.005 → 0.001" in said
    assert "num_epochs" in said
    assert "save_every" not in said
