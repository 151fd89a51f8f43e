"""The trainers of the Python API offer what a configuration does: equal keys give equal bits and equal files."""

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import palm
from palm.errors import ConfigError
from tests.integration import tiny

RATE, DROPOUT = 5e-3, 0.1


@pytest.fixture
def data(tmp_path):
    """Two tasks as a configuration has them, and a vocabulary."""
    tasks = {
        "水": {**tiny.classification_task(tmp_path, "water", chinese=True), "mix_ratio": 1.0},
        "air": {**tiny.classification_task(tmp_path, "air", count=32, flip=True), "mix_ratio": 0.6},
    }
    return {"tasks": tasks, "vocab": tiny.write_vocab(tmp_path)}


def by_controller(folder, data, of_air=None, **keys):
    """The run by YAML's way."""
    tasks = {name: dict(task) for name, task in data["tasks"].items()}
    tasks["air"] |= of_air or {}
    always = {"lr_scheduler": "constant", "dropout_prob": DROPOUT, "kernels": "auto"}
    controller = palm.Controller(tiny.config(folder, tasks, **always, **keys), overrides=[])
    controller.train()
    return controller


def trainer_of(data, of_air=None, **keys):
    """The same run by trainers, not trained yet."""
    of = {"水": {}, "air": of_air or {}}
    trainers = [palm.Trainer(name, task["mix_ratio"], **of[name]) for name, task in data["tasks"].items()]
    both = palm.MultiHeadTrainer(trainers)
    backbone = palm.backbone.BERT.from_config(tiny.BACKBONE)
    readers = []
    for trainer, task in zip(trainers, data["tasks"].values(), strict=True):
        initial = tiny.BACKBONE["initializer_range"]
        trainer.build_forward(backbone, palm.head.Classify(2, 32, DROPOUT, param_initializer_range=initial))
        reader = palm.reader.ClassifyReader(data["vocab"], 24, seed=1, do_lower_case=True)
        reader.load_data(task["train_file"], batch_size=8)
        readers.append(reader)
        trainer.set_dev_file(task["dev_file"])
    both.build_backward(palm.optimizer.Adam(both.build_forward(), RATE))
    both.fit_readers_with_mixratio(readers, "水", keys.pop("num_epochs", 2))
    both.configure(**keys)
    return both


def weights(folder):
    return {name: array.tobytes() for name, array in load_file(Path(folder) / "model.safetensors").items()}


def dev_records(folder):
    return [row for row in tiny.metrics(folder) if row["split"] == "dev"]


SAMPLERS = ["exact", "proportional", "temperature", "annealed", "adaptive"]
METHODS = [
    *({"sampling": name} for name in SAMPLERS),
    {"sampling": "adaptive", "sampling_by": "metric"},
    *({"weighting": name} for name in ("uncertainty", "dwa", "dtp", "gradnorm")),
    *({"weighting": name, "mode": "joint"} for name in ("fixed", "pcgrad", "cagrad", "mgda", "upgrad")),
    {"weighting": "pcgrad", "gradient_accumulation_steps": 2},
    {"leave_mix_when_finished": True, "eval_every_n_steps": 2},
    {"adversarial_epsilon": 0.5, "layer_lr_decay": 0.8},
    {"freeze_embeddings": True, "freeze_layers": 1},
    {"weight_average": "swa", "swa_start": 0.5},
]


@pytest.mark.parametrize("keys", METHODS, ids=lambda keys: "-".join(f"{key}={value}" for key, value in keys.items()))
def test_the_same_keys_give_the_same_bits(tmp_path, data, keys):
    controller = by_controller(tmp_path, data, **keys)
    trainer = trainer_of(data, **keys)
    trainer.set_saver(tmp_path / "api" / "out", save_steps=-1, save_type="predict")
    trainer.train(print_steps=1)
    for name in data["tasks"]:
        of_api, of_yaml = (tmp_path / place / name / "infer_model" for place in ("api/out", "out"))
        assert weights(of_api) == weights(of_yaml), name
    assert dev_records(tmp_path / "api") == dev_records(tmp_path)
    assert len(dev_records(tmp_path)) > 2
    assert trainer.session.run.total_steps == controller._training_run().total_steps


def test_selection_and_early_stopping_end_as_a_configuration_ends(tmp_path, data, capsys):
    keys = {"selection": {"水": 1.0, "air": 2.0}, "eval_every_n_steps": 2, "num_epochs": 4}
    of_air = {"early_stopping_patience": 1, "early_stopping_min_delta": 10.0}
    by_controller(tmp_path, data, of_air, **keys)
    said_by_yaml = [line for line in capsys.readouterr().out.splitlines() if "best" in line or "stops early" in line]
    trainer = trainer_of(data, of_air, **keys)
    trainer.set_saver(tmp_path / "api" / "out", save_steps=-1, save_type="ckpt,predict")
    trainer.train(print_steps=1)
    said = [line for line in capsys.readouterr().out.splitlines() if "best" in line or "stops early" in line]
    assert [line.replace("/api/out", "/out") for line in said] == said_by_yaml
    assert any("air: stops early" in line for line in said)
    for name in data["tasks"]:
        for folder in ("infer_model", "best_infer_model"):
            assert weights(tmp_path / "api" / "out" / name / folder) == weights(tmp_path / "out" / name / folder)


def test_a_trainer_resumes_from_its_savers_newest_checkpoint_to_the_same_bits(tmp_path, data):
    keys = {"weighting": "uncertainty", "sampling": "adaptive", "selection": {"水": 1.0}, "eval_every_n_steps": 3}
    whole = trainer_of(data, **keys)
    whole.set_saver(tmp_path / "whole" / "out", save_steps=4, save_type="ckpt,predict")
    whole.train(print_steps=1)
    shutil.copytree(tmp_path / "whole" / "out", tmp_path / "cut" / "out")
    for later in (tmp_path / "cut" / "out" / "ckpt").iterdir():
        if int(later.name[5:]) > 4:
            shutil.rmtree(later)

    resumed = trainer_of(data, **keys)
    resumed.set_saver(tmp_path / "cut" / "out", save_steps=4, save_type="ckpt,predict")
    resumed.train(print_steps=1, resume=True)
    log = (tmp_path / "cut" / "out" / "log.txt").read_text(encoding="utf-8")
    assert "step_4 at global step 4." in log
    last = whole.session.run.progress.global_step
    assert resumed.session.run.progress.global_step == last > 4
    for file in ("model.safetensors", "optimizer.safetensors"):
        one, other = (
            load_file(tmp_path / place / "out" / "ckpt" / f"step_{last}" / file) for place in ("cut", "whole")
        )
        assert {name: array.tobytes() for name, array in one.items()} == {
            name: array.tobytes() for name, array in other.items()
        }
    assert dev_records(tmp_path / "cut") == dev_records(tmp_path / "whole")


def test_one_trainer_evaluates_selects_and_stops_early(tmp_path, data, capsys):
    task = data["tasks"]["水"]
    trainer = palm.Trainer("水", early_stopping_patience=1, early_stopping_min_delta=10.0)
    loss = trainer.build_forward(palm.backbone.BERT.from_config(tiny.BACKBONE), palm.head.Classify(2, 32))
    trainer.build_backward(palm.optimizer.Adam(loss, RATE))
    reader = palm.reader.ClassifyReader(data["vocab"], 24, seed=1, do_lower_case=True)
    reader.load_data(task["train_file"], batch_size=8, num_epochs=5)
    trainer.fit_reader(reader)
    trainer.set_dev_file(task["dev_file"])
    trainer.configure(eval_every_n_steps=2)
    trainer.train(print_steps=100)
    said = capsys.readouterr().out
    assert "水: evaluation at global step 2: loss" in said
    assert "水: stops early after global step 4" in said
    assert trainer.session.run.progress.global_step == 4


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"learning_rate": 1e-3}, r"configure: `learning_rate` is what palm\.optimizer\.Adam sets"),
        ({"resume": "auto"}, "`resume` is what train sets"),
        ({"sampling_temp": 2}, r"there is no keyword `sampling_temp`.*Did you mean"),
        ({"eval_every_n_steps": "often"}, "eval_every_n_steps is a whole number"),
        ({"selection": {"watr": 1}}, "configure: selection must name tasks"),
    ],
)
def test_wrong_keys_are_refused_before_training(data, keys, message):
    with pytest.raises(ConfigError, match=message):
        trainer_of(data, **keys).train()


def test_an_unknown_keyword_of_a_task_is_refused():
    with pytest.raises(ConfigError, match=r'palm\.Trainer\("水"\): there is no keyword `loss_wait`\. Did you mean'):
        palm.Trainer("水", loss_wait=1)


def test_joint_steps_are_not_for_a_loop_of_ones_own(data):
    with pytest.raises(ConfigError, match=r"one task per step\. Found mode: joint"):
        trainer_of(data, mode="joint").get_one_batch()


def test_resume_without_a_saver_says_what_is_missing(data):
    with pytest.raises(ConfigError, match="Call set_saver"):
        trainer_of(data).train(resume=True)
