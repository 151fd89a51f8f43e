"""Runs in which heads have whole encoder layers of their own: start, resume, samplers, export, prediction."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import palm
from palm.balancing.sampling.base import SAMPLERS
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.optim.optimizer import layer_lr_scales
from palm.engine.predict import outputs_of, run_over
from palm.engine.train import train_steps
from palm.errors import ConfigError
from palm.inference.bundle import save_bundle
from palm.inference.prediction_rows import with_rows
from palm.reader.loading import load_dataset
from tests.integration import tiny
from tests.integration.small_encoder import LAYERS, write_small_encoder

KINDS = ["private_layers", "soft"]
KEPT_AS = {"private_layers": "layers.1", "soft": "encoder_layers.1"}  # of two layers the last
STEPS = 12


def config(folder, sharing, count=1, **keys):
    folder.mkdir(exist_ok=True)
    own = {"sharing": sharing, "sharing_layers": count}
    tasks = {
        "水": {**tiny.classification_task(folder, "水", count=24, chinese=True), **own},
        "slots": {**tiny.slot_task(folder, "slots"), **own},
        "pairs": tiny.match_task(folder, "pairs"),
    }
    return tiny.config(folder, tasks, **{"max_steps": STEPS, "num_epochs": 9, **keys})


def run_of(folder, sharing, count=1, **keys):
    return palm.Controller(config(folder, sharing, count, **keys), overrides=[])._training_run()


def weights(run):
    return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory):
    """The kind, the folder, the run, and a checkpoint of each of its steps."""
    folder = tmp_path_factory.mktemp("私有")
    run = run_of(folder, request.param, num_epochs=9)
    for _ in train_steps(run):
        save_checkpoint(run, folder / "ckpt", keep=99)
    return request.param, folder, run


@pytest.mark.parametrize("step", [1, 5, 9])
def test_a_resumed_run_ends_in_the_same_bits(trained, tmp_path, step):
    kind, folder, _ = trained
    resumed = run_of(tmp_path, kind)
    restore_checkpoint(resumed, folder / "ckpt" / f"step_{step}")
    list(train_steps(resumed))
    save_checkpoint(resumed, tmp_path / "ckpt", keep=1)
    for file in ("model.safetensors", "optimizer.safetensors", "progress.json"):
        one, other = (home / "ckpt" / f"step_{STEPS}" / file for home in (folder, tmp_path))
        assert one.read_bytes() == other.read_bytes(), file


def test_own_layers_move_in_steps_of_their_own_task_alone(trained, tmp_path):
    kind, *_ = trained
    run = run_of(tmp_path, kind)
    before = weights(run)
    for result in train_steps(run):
        after = weights(run)
        own = [name for name in after if "task_adapters" in name]
        moved = {name.split(".")[1] for name in own if not np.array_equal(after[name], before[name])}
        assert moved == ({result.task} if result.task != "pairs" else set())
        before = after


def test_training_starts_where_hard_sharing_does_from_pretrained_layers(trained, tmp_path):
    kind, *_ = trained
    keys = {"pretrain_model_path": str(tmp_path / "encoder"), "max_position_embeddings": 512}
    made = config(tmp_path, kind, **keys)
    write_small_encoder(tmp_path / "encoder", tmp_path / "vocab.txt")
    controller = palm.Controller(made, overrides=[])
    controller.load_pretrain()
    run = controller._training_run()
    top = f"layers.{LAYERS - 1}.attention.qkv.weight"
    saved = load_file(tmp_path / "encoder" / "model.safetensors")
    query = saved[f"encoder.layer.{LAYERS - 1}.attention.self.query.weight"].T
    np.testing.assert_array_equal(run.model.state_dict()[f"backbone.encoder.{top}"].numpy()[:, :32], query)
    for task in ("水", "slots"):
        name = f"heads.{task}.task_adapters.{KEPT_AS[kind]}"
        np.testing.assert_array_equal(run.model.state_dict()[f"{name}.attention.qkv.weight"].numpy()[:, :32], query)
    batch = run.tasks[0].batch_at(0)
    run.model.eval()
    own, shared = (run.model.encode(batch, head=head)["encoder_outputs"].numpy() for head in ("水", None))
    np.testing.assert_array_equal(own, shared)


def test_every_sampler_trains_them(trained, tmp_path):
    kind, *_ = trained
    for sampling in SAMPLERS:
        run = run_of(tmp_path / sampling, kind, sampling=sampling, max_steps=6)
        before = weights(run)
        tasks = {result.task for result in train_steps(run)}
        after = weights(run)
        for task in tasks - {"pairs"}:
            name = f"heads.{task}.task_adapters.{KEPT_AS[kind]}.ffn.output.weight"
            assert not np.array_equal(before[name], after[name]), (sampling, task)


def test_joint_prediction_gives_each_head_its_own_pass(trained):
    _, _, run = trained
    tasks = [task for task in run.tasks if task.name in ("水", "pairs")]
    batch = tasks[0].batch_at(0)
    together = outputs_of(run.model, tasks, batch)
    for task in tasks:
        alone = outputs_of(run.model, [task], batch)[task.name]
        assert np.array_equal(alone["logits"], together[task.name]["logits"])


def test_a_bundle_has_its_own_layers_alone_and_predicts_as_the_run_does(trained, tmp_path):
    kind, _, run = trained
    for task in run.tasks:
        file = config(tmp_path, kind)["tasks"][task.name]["pred_file"]
        dataset = load_dataset(task.reader, Path(file), "predict")
        inside = run_over(run.model, task, dataset, "predict").predictions
        save_bundle(run.model, task, "bert", tmp_path / task.name)
        saved = load_file(tmp_path / task.name / "model.safetensors")
        assert not any(other.name in name for name in saved for other in run.tasks)
        assert any(".task_adapters." in name for name in saved) == (task.name != "pairs" and kind != "soft")
        assert palm.Predictor(tmp_path / task.name).predict(file) == with_rows(inside, dataset, task.reader)


def test_layers_that_do_not_fit(trained, tmp_path):
    kind, *_ = trained
    with pytest.raises(ConfigError, match=r"sharing_layers: the encoder has 2 layers to copy\. Found 3\. Lower it"):
        run_of(tmp_path, kind, count=3)
    with pytest.raises(ConfigError, match=r"Found layer 0 of 0 to 1, and copies of the last 1\. Raise sharing_layers"):
        run_of(tmp_path, kind, layer=0)


def test_training_predicts_evaluates_and_exports_models_that_need_nothing_else(tmp_path):
    """All layers `soft`: a model is then as large as one of hard sharing, with another encoder than its neighbour."""
    made = config(tmp_path, "soft", None, max_steps=-1, num_epochs=6, soft_sharing_weight=1e-4)
    palm.Controller(made, overrides=[]).train()
    figures = {line["task"]: line for line in tiny.metrics(tmp_path) if line["split"] == "dev"}
    assert figures["水"]["accuracy"] > 0.9
    assert figures["slots"]["span_f1"] > 0.9
    saved = {}
    for name, task in made["tasks"].items():
        folder = tmp_path / "out" / name / "infer_model"
        saved[name] = load_file(folder / "model.safetensors")
        assert palm.Predictor(folder).predict(task["pred_file"]) == palm.Controller(made, overrides=[]).pred(name)
    encoders = [{key for key in tensors if key.startswith("backbone.")} for tensors in saved.values()]
    assert encoders[0] == encoders[1] == encoders[2]
    assert not any("private" in key for tensors in saved.values() for key in tensors)
    lowest = [tensors["backbone.encoder.layers.0.attention.qkv.weight"] for tensors in saved.values()]
    assert not np.array_equal(lowest[0], lowest[1])


def test_models_with_encoders_of_their_own_predict_together_a_pass_each(tmp_path):
    soft = {"sharing": "soft", "sharing_layers": 1}
    tasks = {
        "水": {**tiny.classification_task(tmp_path, "水", chinese=True), **soft},
        "birds": {**tiny.classification_task(tmp_path, "birds", flip=True), **soft},
        "air": tiny.classification_task(tmp_path, "air"),
    }
    made = tiny.config(tmp_path, tasks, max_steps=9, num_epochs=9)
    palm.Controller(made, overrides=[]).train()
    together = palm.MultiHeadTrainer([palm.Trainer(name) for name in tasks])
    together.load_predict_model(tmp_path / "out")
    reader = palm.reader.ClassifyReader(made["vocab_path"], 24, phase="predict", do_lower_case=True)
    reader.load_data(tasks["水"]["pred_file"], batch_size=8)
    together.fit_reader(reader, phase="predict")
    alone = {name: palm.Predictor(tmp_path / "out" / name / "infer_model") for name in tasks}
    wanted = {name: predictor.predict(tasks["水"]["pred_file"]) for name, predictor in alone.items()}
    assert [row["logits"] for row in wanted["水"]] != [row["logits"] for row in wanted["birds"]]
    assert together.predict() == wanted


def spread(run):
    """How far the two tasks' layers are apart."""
    found = weights(run)
    names = [name.removeprefix("heads.水.") for name in found if name.startswith("heads.水.task_adapters")]
    return sum(float(((found[f"heads.水.{name}"] - found[f"heads.slots.{name}"]) ** 2).sum()) for name in names)


def test_the_weight_keeps_the_layers_near_each_other(tmp_path):
    apart = {}
    for weight in (0.0, 0.01, 1.0):
        run = run_of(tmp_path / str(weight), "soft", soft_sharing_weight=weight)
        list(train_steps(run))
        apart[weight] = spread(run)
    assert apart[0.0] > 2 * apart[1.0]
    assert apart[0.0] > apart[0.01] > apart[1.0]


def moved(run):
    before = weights(run)
    list(train_steps(run))
    after = weights(run)
    return {name for name in after if not np.array_equal(before[name], after[name])}


def test_own_layers_freeze_and_have_the_learning_rate_of_the_layers_that_they_stand_for(tmp_path):
    frozen = moved(run_of(tmp_path / "one", "soft", None, freeze_layers=1))
    assert not any(".encoder_layers.0." in name for name in frozen)
    assert any(name.startswith("heads.水.task_adapters.encoder_layers.1.") for name in frozen)
    thawing = moved(run_of(tmp_path / "two", "soft", None, unfreeze_every_n_steps=STEPS))
    assert not any(".encoder_layers." in name for name in thawing)
    scales = layer_lr_scales(dict(run_of(tmp_path, "soft", None).model.named_parameters()), 0.5)
    assert scales["heads.水.task_adapters.encoder_layers.0.ffn.output.weight"] == 0.5
    assert "heads.水.task_adapters.encoder_layers.1.ffn.output.weight" not in scales


def test_lr_scale_is_of_the_head_and_not_of_the_layers_in_the_place_of_shared_ones(tmp_path):
    made = config(tmp_path, "soft", max_steps=1, lr_scheduler="constant", learning_rate=1e-3)
    made["tasks"]["水"]["lr_scale"] = 3.0
    made["tasks"] = {"水": made["tasks"]["水"]}
    run = palm.Controller(made, overrides=[])._training_run()
    before = weights(run)
    list(train_steps(run))
    # Adam's first step is as long as the rate in every coordinate.
    steps = {name: np.abs(array - before[name]).max() for name, array in weights(run).items()}
    assert steps["heads.水.linear.weight"] == pytest.approx(3e-3, rel=1e-2)
    assert steps["heads.水.task_adapters.encoder_layers.1.ffn.output.weight"] == pytest.approx(1e-3, rel=1e-2)
    assert steps["backbone.encoder.layers.0.ffn.output.weight"] == pytest.approx(1e-3, rel=1e-2)
    assert steps["backbone.encoder.layers.1.ffn.output.weight"] == 0


def test_the_cost_is_said_before_training(tmp_path):
    palm.Controller(config(tmp_path, "soft", max_steps=1), overrides=[]).train()
    layer = 4 * (32 * 32 + 32) + 2 * 32 * 64 + 32 + 64 + 4 * 32
    [line] = [line for line in tiny.log_lines(tmp_path) if line.startswith("Task-specific encoder layers:")]
    assert f"{2 * layer * 16 / 1e6:,.0f} MB more memory in training" in line
