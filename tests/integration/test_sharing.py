"""Runs in which heads have parts of their own in the encoder: trained, resumed, exported, predicted with."""

import numpy as np
import pytest
from safetensors.numpy import load_file

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.predict import outputs_of
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny


def config(folder, **keys):
    tasks = {
        "water": {**tiny.classification_task(folder, "water", chinese=True), "sharing": "adapter", "sharing_size": 4},
        "slots": {**tiny.slot_task(folder, "slots"), "sharing": "lora", "layers": "mix"},
        "pairs": {**tiny.match_task(folder, "pairs"), "sharing": "private", "sharing_size": 4},
        "birds": tiny.classification_task(folder, "birds", flip=True),
    }
    return tiny.config(folder, tasks, **keys)


def controller(folder, **keys):
    return palm.Controller(config(folder, **keys), overrides=[])


def weights(run):
    return {name: tensor.numpy() for name, tensor in run.model.state_dict().items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("共享")
    controller(folder, num_epochs=6).train()
    return folder


def test_every_task_learns(trained):
    figures = {line["task"]: line for line in tiny.metrics(trained) if line["split"] == "dev"}
    assert figures["water"]["accuracy"] > 0.9
    assert figures["birds"]["accuracy"] > 0.9
    assert figures["slots"]["span_f1"] > 0.9


def test_a_model_carries_its_own_parts_and_predicts_with_them(trained):
    for name in ("water", "slots", "pairs", "birds"):
        folder = trained / "out" / name / "infer_model"
        own = [key for key in load_file(folder / "model.safetensors") if "task_adapters" in key]
        assert bool(own) == (name != "birds")
        predicted = palm.Predictor(folder).predict(config(trained)["tasks"][name]["pred_file"])
        assert predicted == controller(trained).pred(name)


def test_a_frozen_encoder_trains_through_its_parts(tmp_path):
    run = controller(tmp_path, num_epochs=1, freeze_embeddings=True, freeze_layers=2)._training_run()
    before = weights(run)
    list(train_steps(run))
    moved = {name for name, array in weights(run).items() if not np.array_equal(before[name], array)}

    assert not any(name.startswith(("backbone.encoder", "backbone.embeddings")) for name in moved)
    for part in (
        "water.task_adapters.1.bottleneck.down",
        "slots.task_adapters.0.query_up",
        "pairs.task_adapters.0.gate",
    ):
        assert f"heads.{part}.weight" in moved


def test_a_resumed_run_ends_in_the_same_bits(tmp_path):
    whole = controller(tmp_path, num_epochs=1)._training_run()
    for result in train_steps(whole):
        if result.global_step == 4:
            save_checkpoint(whole, tmp_path / "ckpt", keep=9)
    resumed = controller(tmp_path, num_epochs=1)._training_run()
    restore_checkpoint(resumed, tmp_path / "ckpt" / "step_4")
    list(train_steps(resumed))
    one, other = weights(whole), weights(resumed)
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


def test_joint_prediction_gives_each_head_its_own_pass(tmp_path):
    run = controller(tmp_path, num_epochs=1)._training_run()
    list(train_steps(run))
    tasks = [task for task in run.tasks if task.name in ("water", "pairs", "birds")]
    batch = tasks[0].batch_at(0)
    together = outputs_of(run.model, tasks, batch)
    for task in tasks:
        alone = outputs_of(run.model, [task], batch)[task.name]
        assert np.array_equal(alone["logits"], together[task.name]["logits"])


def test_heads_with_other_parts_cannot_be_shared(tmp_path):
    made = config(tmp_path)
    made["tasks"]["birds"] |= {"share_head_with": "water"}
    with pytest.raises(ConfigError, match=r"tasks that share a head need equal sizes.*'adapter', 4"):
        palm.Controller(made, overrides=[])
