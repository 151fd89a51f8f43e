"""Gradient cosines: by hand, against plain backward passes, and that logging them changes no bit of training."""

import numpy as np
import paddle
import pytest

import palm
from palm.engine.gradient_cosines import cosine, gradient_cosines
from palm.engine.train import train_steps
from tests.integration import tiny


def controller(folder, head="linear", **keys):
    tasks = {
        "水": tiny.classification_task(folder, "water", count=24, chinese=True),
        "slots": {**tiny.slot_task(folder, "slots"), "head": head},
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
    }
    made = tiny.config(folder, tasks, num_epochs=1, **keys)
    return palm.Controller(made, overrides=[])


def test_a_case_worked_out_by_hand():
    one = [paddle.to_tensor([3.0, 0.0]), None, paddle.to_tensor([[4.0]])]
    other = [paddle.to_tensor([4.0, 0.0]), None, paddle.to_tensor([[3.0]])]
    assert cosine(one, other) == pytest.approx(24 / 25)
    assert cosine(one, [-part if part is not None else None for part in one]) == pytest.approx(-1)
    # (3, 0, 4) and (0, 5, 12), where each lacks the other's tensor of a parameter: 48 / (5 * 13).
    assert cosine([paddle.to_tensor([3.0]), None, paddle.to_tensor([4.0])],
                  [None, paddle.to_tensor([5.0]), paddle.to_tensor([12.0])]) == pytest.approx(48 / 65)  # fmt: skip
    assert cosine(one, [None, None, None]) is None


@pytest.mark.parametrize("head", ["linear", "bilstm"])
def test_the_cosines_are_those_of_plain_backward_passes(tmp_path, head):
    still = {"dropout_prob": 0.0, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    run = controller(tmp_path, head, **still)._training_run()
    steps = train_steps(run)
    for _ in range(3):
        next(steps)
    steps.close()
    found = gradient_cosines(run)
    flat = {}
    for task in run.tasks:
        run.model.train()
        tiny.clear_gradients(run.model)
        run.model.loss(task, task.batch_at(run.progress.task_steps[task.name])).backward()
        named = [(n, p) for n, p in run.model.named_parameters() if n.startswith("backbone.")]
        flat[task.name] = np.concatenate([
            (np.zeros(p.shape, "float32") if p.grad is None else p.grad.numpy()).ravel() for _, p in named
        ]).astype("float64")  # fmt: skip
    assert list(found) == ["水~slots", "水~words", "slots~words"]
    for pair, value in found.items():
        one, other = (flat[name] for name in pair.split("~"))
        assert value == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-5)


def test_dropout_in_the_encoder_has_no_part_in_them(tmp_path):
    found = []
    for rate in (0.0, 0.5):
        keys = {"dropout_prob": 0.0, "hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate}
        found.append(gradient_cosines(controller(tmp_path, **keys)._training_run()))
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_logging_them_changes_no_bit_of_training(tmp_path):
    weights = []
    for name, every in (("without", -1), ("with", 2)):
        folder = tmp_path / name
        folder.mkdir()
        made = controller(folder, log_gradient_cosines_every_n_steps=every, gradient_accumulation_steps=3)
        made.train()
        weights.append({key: value.numpy() for key, value in made._built_model().state_dict().items()})
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    logged = [line for line in tiny.metrics(tmp_path / "with") if line["split"] == "cosine"]
    assert [line["global_step"] for line in logged] == list(range(2, 2 * len(logged) + 1, 2))
    assert len(logged) > 2
    assert all(-1 <= value <= 1 for line in logged for value in line["cosines"].values())
    said = [
        line for line in tiny.log_lines(tmp_path / "with") if line.startswith("Gradient cosines at global step 2: ")
    ]
    assert len(said) == 1
    assert "水~slots" in said[0]
    assert not [line for line in tiny.metrics(tmp_path / "without") if line["split"] == "cosine"]
