"""A loss or gradient that is NaN or Inf never reaches the model: abort, skip, or roll back."""

import numpy as np
import paddle
import pytest

import palm
from palm.engine.checkpoint import checkpoints, newest_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import CheckpointError, ConfigError, TrainingError
from palm.paradigm.cls import Classification
from palm.storage.tensors import first_non_finite, load_tensors
from tests.integration import tiny
from tests.integration.test_resume import fingerprint


def controller(folder, **keys):
    task = {"water": {**tiny.classification_task(folder, "water", count=32), "shuffle": False}}
    made = tiny.config(folder, task, num_epochs=3, use_ema=True, ema_decay=0.5, **keys)
    return palm.Controller(made, overrides=[])


@pytest.fixture
def poison(monkeypatch):
    """Make the loss of the nth batches of a run (from 1) what is asked for, its gradient included."""

    def poisoned(numbers, value, *, gradient_only=False):
        calls = []
        true_loss = Classification.loss

        def loss(self, outputs, inputs):
            found = true_loss(self, outputs, inputs)
            if not paddle.is_grad_enabled():
                return found  # evaluation
            calls.append(1)
            if len(calls) not in numbers:
                return found
            logits = outputs["logits"]
            if not gradient_only:
                return found + (logits * value).sum()
            # The square root of zero is zero, and its slope infinite.
            return found + paddle.sqrt(logits.sum() - logits.sum().detach())

        monkeypatch.setattr(Classification, "loss", loss)

    return poisoned


def weights(run):
    return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (float("inf"), "(inf|nan|-inf)")])
def test_abort_names_task_step_and_rows_before_the_update(tmp_path, poison, value, shown):
    poison({3}, value)
    run = controller(tmp_path)._training_run()
    steps = train_steps(run)
    next(steps), next(steps)
    before = weights(run)
    rows = r"water\.train\.tsv lines 18, 19, 20, 21, 22, 23, 24, 25"  # the third eight rows; the header is line 1
    with pytest.raises(TrainingError, match=rf"global step 3, task water, step 3/4 \(epoch 0\), .*{rows}: .*{shown}"):
        next(steps)
    assert same(before, weights(run))


def test_a_gradient_that_is_not_finite_is_found_where_the_loss_is(tmp_path, poison):
    poison({2}, 0, gradient_only=True)
    run = controller(tmp_path)._training_run()
    steps = train_steps(run)
    next(steps)
    before = weights(run)
    with pytest.raises(TrainingError, match=r"task water, step 2/4 .*the gradient of `[\w.]+` is not finite \(loss"):
        next(steps)
    assert same(before, weights(run))


def test_the_command_line_says_it_without_traceback(tmp_path, poison, capsys):
    import yaml

    from palm.cli.main import main

    poison({2}, float("nan"))
    task = tiny.classification_task(tmp_path, "水")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(tiny.config(tmp_path, {"water": task})), encoding="utf-8")
    assert main(["train", str(tmp_path / "c.yaml")]) == 2
    said = capsys.readouterr().err
    assert "global step 2, task water" in said
    assert "水.train.tsv lines" in said
    assert "Traceback" not in said


def test_skip_leaves_the_batch_out_and_goes_on(tmp_path, poison):
    poison({2, 5}, float("nan"))
    run = controller(tmp_path, on_nan="skip")._training_run()
    seen, faults = [weights(run)], []
    for result in train_steps(run):
        seen.append(weights(run))
        if result.fault:
            faults.append(result.global_step)
            assert same(seen[-1], seen[-2])
        else:
            assert not same(seen[-1], seen[-2])
    assert faults == [2, 5]
    assert run.average.updates == len(seen) - 1 - 2
    assert first_non_finite(run.model.state_dict()) is None


@pytest.mark.parametrize("gradient_only", [True, False])
def test_skip_within_an_accumulation_keeps_the_other_batches(tmp_path, poison, gradient_only):
    """Two batches make an update: with the second one gone it is an update by the first alone."""
    poison({2}, float("nan"), gradient_only=gradient_only)
    run = controller(tmp_path, on_nan="skip", gradient_accumulation_steps=2)._training_run()
    steps = train_steps(run)
    next(steps)
    pending = {name: gradient.numpy().copy() for name, gradient in run.optimizer.gradients().items()}
    kept = {}
    true_step = run.optimizer.step
    run.optimizer.step = lambda rate: (
        kept.update({name: gradient.numpy().copy() for name, gradient in run.optimizer.gradients().items()}),
        true_step(rate),
    )
    assert next(steps).fault
    assert same(pending, kept)
    assert kept.keys() == pending.keys()


def test_the_log_and_the_figures_stay_readable(tmp_path, poison):
    poison({2}, float("nan"))
    controller(tmp_path, on_nan="skip").train()
    said = next(line for line in tiny.log_lines(tmp_path) if "skipped" in line)
    assert said.startswith("global step 2, task water, step 2/4 (epoch 0)")
    assert (tmp_path / "out" / "metrics.jsonl").read_text().count("NaN") == 0
    assert [row["loss"] for row in tiny.metrics(tmp_path) if row["split"] == "train"][1] is None


@pytest.mark.parametrize("on_nan", ["skip", "rollback"])
def test_a_lost_model_is_given_up(tmp_path, poison, on_nan):
    poison(set(range(2, 1000)), float("nan"))
    with pytest.raises(TrainingError, match="It is the 10th in a row"):
        controller(tmp_path, on_nan=on_nan, save_every_n_steps=1, keep_checkpoints=2).train()


def test_rollback_takes_the_weights_of_the_newest_checkpoint_and_goes_on_with_the_data(tmp_path, poison):
    poison({6}, float("nan"))
    controller(tmp_path, on_nan="rollback", save_every_n_steps=2, keep_checkpoints=100).train()
    home = tmp_path / "out" / "ckpt"
    four, six = (load_tensors(home / f"step_{number}" / "optimizer.safetensors") for number in (4, 6))
    assert same(four, six)
    assert any("Restored the weights of" in line and "step_4" in line for line in tiny.log_lines(tmp_path))
    assert len([line for line in tiny.log_lines(tmp_path) if line.startswith("Global step")]) == 12
    for path in checkpoints(home):
        for file in path.glob("*.safetensors"):
            assert first_non_finite(load_tensors(file)) is None


def test_rollback_without_a_checkpoint_says_so(tmp_path, poison):
    poison({1}, float("nan"))
    with pytest.raises(TrainingError, match="There is no checkpoint to go back to yet"):
        controller(tmp_path, on_nan="rollback", save_every_n_steps=2).train()


def test_rollback_needs_checkpoints(tmp_path):
    with pytest.raises(
        ConfigError, match="on_nan: rollback restores a checkpoint, so save_every_n_steps must be above 0"
    ):
        controller(tmp_path, on_nan="rollback")


def test_a_run_with_a_rollback_resumes_to_the_same_bits(tmp_path, poison):
    keys = {"on_nan": "rollback", "save_every_n_steps": 2, "keep_checkpoints": 100}
    (tmp_path / "whole").mkdir()
    poison({7}, float("nan"))
    controller(tmp_path / "whole", **keys).train()
    whole = tmp_path / "whole" / "out" / "ckpt"
    for stop, left in ((4, {3}), (6, {1}), (8, set())):
        folder = tmp_path / str(stop)
        home = folder / "out" / "ckpt"
        home.mkdir(parents=True)
        for number in range(2, stop + 1, 2):
            (home / f"step_{number}").symlink_to(whole / f"step_{number}")
        poison(left, float("nan"))  # batch 7 of the whole run
        controller(folder, resume="auto", **keys).train()
        assert fingerprint(newest_checkpoint(home)[0]) == fingerprint(newest_checkpoint(whole)[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_with_such_a_number_is_never_listed(tmp_path, value):
    run = controller(tmp_path)._training_run()
    next(train_steps(run))
    save_checkpoint(run, tmp_path / "ckpt", keep=1)
    name, parameter = next(iter(run.model.named_parameters()))
    spoilt = parameter.numpy().copy()
    spoilt.flat[-1] = value
    parameter.set_value(spoilt)
    run.progress.global_step = 2
    with pytest.raises(CheckpointError, match=rf"only finite numbers are saved\. Found NaN or Inf in `{name}`"):
        save_checkpoint(run, tmp_path / "ckpt", keep=1)
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == ["step_1"]


def test_huge_numbers_are_numbers():
    huge = paddle.full([8], 3e38, "float32")
    assert first_non_finite({"huge": huge}) is None
    assert first_non_finite({"fine": paddle.ones([3]), "inf": paddle.to_tensor([1.0, float("-inf")])}) == "inf"
