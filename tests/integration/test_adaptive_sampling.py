"""Adaptive sampling in whole runs: the history that a step is drawn with, how long a run is, and exact resume."""

import shutil
import time
from itertools import islice

import pytest

import palm
from palm.balancing.sampling import AdaptiveSampler
from palm.engine.batches import LAG, prefetched, step_batches
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny
from tests.integration.test_sampling import controller
from tests.integration.test_weighting import fingerprint


def new_run(folder, **keys):
    return controller(folder, "adaptive", sampling_floor=0.1, num_epochs=3, **keys)._training_run()


def shown(results):
    return [(result.task, result.step, result.loss) for result in results]


def test_a_step_is_drawn_with_the_shares_of_three_steps_before(tmp_path):
    run = new_run(tmp_path)
    only_small = {str(step): [0.0, 1.0] for step in range(4, 10)}
    found = islice(step_batches(run.tasks, run.sampler, done_steps=0, task_steps={}, probabilities=only_small), 30)
    names = [step_batch.task.name for step_batch in found]
    assert LAG == 3
    assert names[6:12] == ["small"] * 6
    assert {*names[:6]} == {*names[12:]} == {"large", "small"}


def test_the_run_is_as_long_as_its_files_and_all_targets_end_with_it(tmp_path):
    results = list(train_steps(new_run(tmp_path)))
    assert len(results) == 3 * (6 + 2)
    assert [result.finished for result in results if result.finished] == [("large", "small")]


def test_max_steps_ends_it_sooner(tmp_path):
    assert len(list(train_steps(new_run(tmp_path, max_steps=5)))) == 5


@pytest.fixture
def jumping(monkeypatch):
    """Shares that follow the history but leap with every step: who reads them a step early or late is found out."""

    def probabilities(self, history):
        digits = int(1e6 * sum(known.smoothed_loss or 0.0 for known in history.values()))
        return [0.95, 0.05] if digits % 2 else [0.05, 0.95]

    monkeypatch.setattr(AdaptiveSampler, "probabilities", probabilities)


@pytest.mark.usefixtures("jumping")
def test_the_pace_of_the_thread_that_makes_batches_changes_nothing(tmp_path, monkeypatch):
    fed = shown(train_steps(new_run(tmp_path)))
    monkeypatch.setattr("palm.engine.train.prefetched", lambda source: ((step_batch, 0.0) for step_batch in source))
    assert shown(train_steps(new_run(tmp_path))) == fed
    monkeypatch.setattr("palm.engine.train.prefetched", prefetched)
    slow = []
    for result in train_steps(new_run(tmp_path)):
        time.sleep(0.02)  # the thread is as far ahead as it can be
        slow.append(result)
    assert shown(slow) == fed


@pytest.mark.parametrize("leaping", [False, True])
def test_by_loss_a_run_resumed_at_any_of_several_steps_ends_in_the_same_bits(tmp_path, request, leaping):
    if leaping:
        request.getfixturevalue("jumping")
    run, whole, home = new_run(tmp_path), [], tmp_path / "ckpt"
    for result in train_steps(run):
        whole.append(result)
        save_checkpoint(run, home, keep=1000)
    for stop in (1, 2, 3, 4, 11, 22):
        again = new_run(tmp_path)
        restore_checkpoint(again, home / f"step_{stop}")
        assert shown(train_steps(again)) == shown(whole[stop:])
        last = save_checkpoint(again, tmp_path / f"after_{stop}", keep=1)
        assert fingerprint(last) == fingerprint(home / last.name), f"stopped at step {stop}"


def test_by_metric_the_shares_follow_the_evaluations_and_a_resumed_run_ends_in_the_same_bits(tmp_path):
    def run(folder, **keys):
        folder.mkdir(exist_ok=True)
        keys = {"sampling_by": "metric", "eval_every_n_steps": 4, "save_every_n_steps": 1, **keys}
        controller(folder, "adaptive", keep_checkpoints=100, **keys).train()
        return folder / "out" / "ckpt"

    home = run(tmp_path / "whole")
    records = tiny.metrics(tmp_path / "whole")
    figures = {r["task"]: r["accuracy"] for r in records if r["split"] == "dev" and r["global_step"] == 4}
    retired_tasks = {name: 1 - value for name, value in figures.items()}
    wanted = {name: 0.125 + 0.75 * need / sum(retired_tasks.values()) for name, need in retired_tasks.items()}
    trained = {r["global_step"]: r["sampling_probabilities"] for r in records if r["split"] == "train"}
    assert trained[4] == {"large": 0.5, "small": 0.5}
    assert trained[5] == pytest.approx(wanted, abs=1e-4)
    assert len({tuple(probabilities.values()) for probabilities in trained.values()}) > 1
    for stop in (3, 4, 5, 9, 15):
        folder = tmp_path / str(stop)
        shutil.copytree(home / f"step_{stop}", folder / "out" / "ckpt" / f"step_{stop}")
        assert fingerprint(run(folder, resume="auto") / "step_16") == fingerprint(home / "step_16"), stop


def test_by_metric_every_task_needs_a_dev_file(tmp_path):
    tasks = {"任务": tiny.classification_task(tmp_path, "任务"), "words": tiny.mlm_task(tmp_path, "words")}
    config = tiny.config(tmp_path, tasks, sampling="adaptive", sampling_by="metric")
    with pytest.raises(ConfigError, match=r"sampling_by: metric follows the dev metrics .* no dev_file for `words`\."):
        palm.Controller(config, overrides=[])


def test_by_metric_there_are_evaluations_to_follow(tmp_path):
    tasks = {"任务": tiny.classification_task(tmp_path, "任务"), "other": tiny.classification_task(tmp_path, "other")}
    keys = {"sampling": "adaptive", "sampling_by": "metric", "eval_every_n_steps": 0}
    with pytest.raises(ConfigError, match=r"config\.eval_every_n_steps: .*too late for sampling_by: metric\. Set -1"):
        palm.Controller(tiny.config(tmp_path, tasks, **keys), overrides=[])
    palm.Controller(tiny.config(tmp_path, tasks, **{**keys, "sampling": "mix_ratio"}), overrides=[])


def test_a_task_that_leaves_the_mix_leaves_resume_exact(tmp_path):
    def run(folder, **keys):
        folder.mkdir(exist_ok=True)
        tasks = {
            "large": tiny.classification_task(folder, "large", count=48, chinese=True),
            "small": {**tiny.classification_task(folder, "small", count=16), "early_stopping_patience": 1},
        }
        keys = {"eval_every_n_steps": 3, "save_every_n_steps": 1, "leave_mix_when_finished": True, **keys}
        palm.Controller(
            tiny.config(folder, tasks, sampling="adaptive", keep_checkpoints=100, **keys), overrides=[]
        ).train()
        return folder / "out" / "ckpt"

    home = run(tmp_path / "whole")
    trained = [line["task"] for line in tiny.metrics(tmp_path / "whole") if line["split"] == "train"]
    assert len(trained) == 16
    assert "small: train finished!" in tiny.log_lines(tmp_path / "whole")
    assert {*trained[-6:]} == {"large"}
    for stop in (5, 6, 9, 14):
        folder = tmp_path / str(stop)
        shutil.copytree(home / f"step_{stop}", folder / "out" / "ckpt" / f"step_{stop}")
        for target in (tmp_path / "whole" / "out").glob("*/best_infer_model"):
            shutil.copytree(target, folder / "out" / target.parent.name / target.name)
        assert fingerprint(run(folder, resume="auto") / "step_16") == fingerprint(home / "step_16"), stop
