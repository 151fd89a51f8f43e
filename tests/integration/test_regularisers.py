"""Runs with frozen and gradually unfrozen layers, R-Drop and adversarial steps: what moves, and exact resume."""

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.optim.freezing import layer_of
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny

ALL = {
    "unfreeze_every_n_steps": 2,
    "layer_lr_decay": 0.8,
    "adversarial_epsilon": 0.5,
    "rdrop_alpha": 1.0,
    "gradient_accumulation_steps": 2,
    "use_ema": True,
    "ema_decay": 0.9,
}


def run_of(folder, **keys):
    folder.mkdir(exist_ok=True)
    tasks = {
        "water": tiny.classification_task(folder, "water", chinese=True),
        "slots": tiny.slot_task(folder, "slots"),
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
    }
    return palm.Controller(tiny.config(folder, tasks, **{"num_epochs": 1, **keys}), overrides=[])._training_run()


def weights(run):
    return {name: tensor.numpy() for name, tensor in run.model.state_dict().items()}


def moved_layers(run, steps):
    before = weights(run)
    for _, result in zip(range(steps), train_steps(run), strict=False):
        assert result.fault is None
    after = weights(run)
    return {layer_of(name) for name in after if not np.array_equal(before[name], after[name])}


@pytest.mark.parametrize("kernels", ["plain", "auto"])
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"freeze_layers": 1}, {-1, 1, None}),
        ({"freeze_layers": 1, "freeze_embeddings": True}, {1, None}),
        ({"freeze_layers": 2, "freeze_embeddings": True, "recompute": True}, {None}),
        ({"freeze_embeddings": True, "recompute": True}, {0, 1, None}),
        ({"unfreeze_every_n_steps": 2}, {1, None}),
    ],
)
def test_frozen_layers_do_not_move(tmp_path, kernels, keys, expected):
    assert moved_layers(run_of(tmp_path, kernels=kernels, **keys), steps=4) == expected


@pytest.mark.parametrize("key", ["rdrop_alpha", "adversarial_epsilon"])
def test_each_regulariser_changes_the_gradients_and_learns(tmp_path, key):
    plain, regular = run_of(tmp_path, max_steps=1), run_of(tmp_path, max_steps=1, **{key: 0.5})
    for run in (plain, regular):
        list(train_steps(run))
    one, other = weights(plain), weights(regular)
    assert any(not np.array_equal(one[name], other[name]) for name in one)

    losses = [result.loss for result in train_steps(run_of(tmp_path, num_epochs=6, **{key: 0.5}))]
    assert np.mean(losses[-6:]) < np.mean(losses[:6])


def test_an_adversarial_step_adds_the_gradient_at_the_moved_embeddings(tmp_path, monkeypatch):
    """FGM by hand: the loss of the batch as it is, and with the table 0.5 further along its gradient."""
    still = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0}
    tasks = {"水": {**tiny.classification_task(tmp_path, "water", chinese=True), "loss_weight": 2.0}}
    made = tiny.config(tmp_path, tasks, adversarial_epsilon=0.5, **still)
    run = palm.Controller(made, overrides=[])._training_run()
    (task,), name = run.tasks, "backbone.embeddings.word_embeddings.weight"
    table = dict(run.model.named_parameters())[name]
    run.model.train()

    def gradients():
        (2.0 * run.model.loss(task, task.batch_at(0))).backward()
        found = {key: gradient.numpy() for key, gradient in run.optimizer.gradients().items()}
        tiny.clear_gradients(run.model)
        return found

    here, own = gradients(), table.numpy()
    table.set_value(own + 0.5 * here[name] / np.linalg.norm(here[name]))
    there = gradients()
    table.set_value(own)
    taken = {}
    monkeypatch.setattr(
        run.optimizer, "step", lambda rate: taken.update({k: v.numpy() for k, v in run.optimizer.gradients().items()})
    )
    next(train_steps(run))
    assert max(np.abs(there[key] - here[key]).max() for key in here) > 0.01
    assert taken.keys() == here.keys()
    for key, gradient in taken.items():
        np.testing.assert_allclose(gradient, here[key] + there[key], rtol=1e-3, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("mode", ["alternating", "joint"])
def test_dropout_is_another_one_in_each_step_and_for_each_task(tmp_path, mode):
    """All rows are the same, both tasks have one head, and nothing is learnt: losses differ by dropout alone."""
    file = tiny.write_tsv(tmp_path / "数.tsv", ["label", "text_a"], [["0.5", "大红鱼在河"]] * 8)
    task = {"reader": "cls", "paradigm": "regression", "label_kind": "number", "train_file": file}
    tasks = {"one": task, "two": {**task, "share_head_with": "one"}}
    made = tiny.config(tmp_path, tasks, mode=mode, max_steps=6, num_epochs=9, learning_rate=1e-12)
    run = palm.Controller(made, overrides=[])._training_run()
    losses = [part.loss for result in train_steps(run) for part in result.parts]
    assert len({*losses}) == len(losses) == (12 if mode == "joint" else 6)


def test_all_together_resume_in_the_same_bits(tmp_path):
    whole = run_of(tmp_path, **ALL)
    for result in train_steps(whole):
        if result.global_step in (3, 5):
            save_checkpoint(whole, tmp_path / "ckpt", keep=9)
    for step in (3, 5):
        resumed = run_of(tmp_path, **ALL)
        restore_checkpoint(resumed, tmp_path / "ckpt" / f"step_{step}")
        list(train_steps(resumed))
        one, other = weights(whole), weights(resumed)
        assert [name for name in one if not np.array_equal(one[name], other[name])] == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"freeze_layers": 3}, "the encoder has 2 layers to freeze. Found 3"),
        ({"freeze_embeddings": True, "adversarial_epsilon": 1}, "freeze_embeddings prevents"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, keys, words):
    with pytest.raises(ConfigError, match=words):
        run_of(tmp_path, **keys)
