"""`freeze_encoder_of`: what a configuration takes from a model, and which keys contradict it."""

import json
import shutil
from pathlib import Path

import pytest

from palm.config.resolve import load_run_configs
from palm.errors import ConfigError
from palm.schema.saved_model import read_saved_run
from tests.integration import tiny

TASK = {"settings": {"reader": "cls", "paradigm": "cls"}, "labels": ["否", "是"]}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def described(**keys: object) -> dict:
    """config.json of a run's model with a single task, 意图."""
    reader = {"name": "cls", "config": {"do_lower_case": True}}
    task = {"head": "意图", **TASK, "reader": reader, "paradigm": {"name": "cls", "config": {}}}
    backbone = {"name": "bert", "config": {**tiny.BACKBONE, "hidden_dropout_prob": 0.2}}
    return {"format_version": 3, "backbone": backbone, "tasks": {"意图": task}, **keys}


def write_model(folder: Path, **keys: object) -> Path:
    folder.mkdir(parents=True)
    tiny.write_vocab(folder)
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (folder / "config.json").write_text(json.dumps(described(**keys)), encoding="utf-8")
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "RUN" / "infer_model", encoder=f"google-bert/bert-base-chinese@{COMMIT}")


def configuration(folder: Path, **keys: object) -> dict:
    task = tiny.classification_task(folder, "新任务", count=8)
    return {
        "tasks": {"新任务": {**task, **keys.pop("task", {})}},
        "save_path": str(folder / "out"),
        "max_seq_len": 24,
        **keys,
    }


def resolved(folder: Path, model: Path | str, *, overrides: tuple[str, ...] = (), **keys: object):
    given = configuration(folder, freeze_encoder_of=str(model), **keys)
    return load_run_configs(given, overrides=overrides, wiring=True)[0]


def refusals(folder: Path, model: Path | str, **keys: object) -> list[str]:
    with pytest.raises(ConfigError) as error:
        resolved(folder, model, **keys)
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize("place", ["RUN", "RUN/infer_model"])
def test_backbone_tokenizer_and_lower_casing_come_from_the_model(tmp_path, model, place):
    found = resolved(tmp_path, tmp_path / place)
    assert found.backbone_name == "bert"
    assert found.backbone.model_dump() == {**found.backbone.model_dump(), **described()["backbone"]["config"]}
    assert found.run.vocab_path == str(model / "vocab.txt")
    assert found.tasks[0].reader.do_lower_case is True
    assert found.warnings == ()


@pytest.mark.parametrize("part", ["reader", "paradigm"])
def test_components_of_the_model_s_tasks_are_registered(tmp_path, part):
    tasks = described()["tasks"]
    tasks["意图"][part] = {**tasks["意图"][part], "name": "own_kind"}
    write_model(tmp_path / "RUN" / "infer_model", tasks=tasks)
    (found,) = refusals(tmp_path, tmp_path / "RUN")
    assert f"its {part} `own_kind` is not registered. Import the module that registers it (`imports`)." in found


def test_the_key_is_a_flag_too(tmp_path, model):
    keys = configuration(tmp_path)
    found = load_run_configs(keys, overrides=["--freeze_encoder_of", str(model)], wiring=True)[0]
    assert found.run.freeze_encoder_of == str(model)


def test_a_relative_path_is_looked_up_where_the_configuration_is(tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path / "RUN")
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({**configuration(tmp_path), "freeze_encoder_of": "RUN"}), encoding="utf-8")
    assert load_run_configs(file, wiring=True)[0].run.freeze_encoder_of == str(model)


def test_a_task_s_own_export_is_a_model_of_one_task(tmp_path):
    task = described()["tasks"]["意图"]
    single = {"format_version": 3, "task": "意图", "backbone": described()["backbone"], **task}
    del single["head"]
    folder = write_model(tmp_path / "RUN" / "意图" / "infer_model")
    (folder / "config.json").write_text(json.dumps(single), encoding="utf-8")
    assert list(read_saved_run(folder).tasks) == ["意图"]
    assert resolved(tmp_path, tmp_path / "RUN" / "意图").run.vocab_path == str(folder / "vocab.txt")


def test_what_the_model_says_may_be_written_as_well(tmp_path, model):
    other = tmp_path / "other"
    other.mkdir()
    keys = {"backbone": "bert", "do_lower_case": True, "encoder": "bert-base-chinese", **tiny.BACKBONE}
    keys["vocab_path"] = tiny.write_vocab(other)
    shutil.copy(model / "tokenizer_config.json", other)
    found = resolved(tmp_path, model, hidden_dropout_prob=0.0, **keys)
    assert found.backbone.hidden_dropout_prob == 0.0
    assert resolved(tmp_path, model, encoder=f"google-bert/bert-base-chinese@{COMMIT}").run.encoder


def test_a_width_that_follows_from_another_is_the_same_width(tmp_path):
    backbone = {"name": "bert", "config": {**tiny.BACKBONE, "intermediate_size": None}}
    folder = write_model(tmp_path / "RUN" / "infer_model", backbone=backbone)
    assert resolved(tmp_path, folder, intermediate_size=4 * tiny.BACKBONE["hidden_size"])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pretrain_model_path": "RUN"}, "Found `pretrain_model_path: RUN`. Remove one of the two keys."),
        (
            {"encoder": "bert-base-uncased"},
            f"Found `encoder: bert-base-uncased`; it started from `google-bert/bert-base-chinese@{COMMIT}`.",
        ),
        ({"backbone": "ernie"}, "Found `ernie`, and `bert` in the model. Remove `backbone`."),
        ({"hidden_size": 64}, "Found `hidden_size: 64`, and 32 in the model. Remove the key."),
        ({"layer_norm_eps": 1e-5}, "Found `layer_norm_eps: 1e-05`, and 1e-12 in the model. Remove the key."),
        ({"vocab_path": "other.txt"}, "Found another one in `other.txt`. Remove `vocab_path`."),
        ({"task": {"vocab_path": "other.txt"}}, "Found another one in `other.txt`. Remove `vocab_path`."),
        ({"do_lower_case": False}, "Found `do_lower_case: false`, and true in the model. Remove the key."),
        ({"task": {"do_lower_case": False}}, "Found `do_lower_case: false`, and true in the model. Remove the key."),
        ({"save_path": "RUN"}, "Found save_path `RUN`, which holds `RUN/infer_model`. Set another save_path."),
        ({"adversarial_epsilon": 1.0}, "perturbs the word embeddings along their gradient, and with"),
        ({"unfreeze_every_n_steps": 3}, "trains layers of the encoder after some steps, and with"),
        ({"weighting": "mgda"}, "`mgda` combines the tasks' gradients of the encoder, and with"),
        ({"weighting": "gradnorm"}, "`gradnorm` measures the tasks' gradients of the encoder, and with"),
        ({"log_gradient_cosines_every_n_steps": 5}, "compares the tasks' gradients of the encoder, and with"),
        ({"stages": {"a": {"task_instance": "新任务"}}}, "Remove `stages:`, or this key."),
    ],
)
def test_contradictions_are_refused(tmp_path, monkeypatch, model, keys, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").write_text("\n".join([*tiny.SPECIAL, *tiny.WORDS, "甲"]) + "\n", encoding="utf-8")
    found = refusals(tmp_path, "RUN", **keys)
    assert any(message in problem for problem in found), found


def test_a_backbone_file_of_another_encoder_is_refused(tmp_path, model):
    file = tmp_path / "large.json"
    file.write_text(json.dumps({**tiny.BACKBONE, "num_hidden_layers": 4}))
    (found,) = refusals(tmp_path, model, backbone_config_path=str(file))
    assert "Found `num_hidden_layers: 4`, and 2 in the model." in found
    assert found.startswith(f"{file}:1: ")


def test_another_precision_than_that_of_the_model_is_a_warning(tmp_path):
    folder = write_model(tmp_path / "RUN" / "infer_model", amp="bf16")
    (found,) = resolved(tmp_path, folder, amp="off").warnings
    assert "Found amp: off, and bf16 in the model, which predicts in that. Set amp: bf16." in str(found)
    assert resolved(tmp_path, folder, amp="bf16").warnings == ()


def test_a_task_of_the_model_is_not_replaced(tmp_path, model):
    task = tiny.classification_task(tmp_path, "意图", count=8)
    with pytest.raises(ConfigError, match=r"Found `意图` in both\. Give the new task another name\."):
        load_run_configs({"tasks": {"意图": task}, "freeze_encoder_of": str(model)}, wiring=True)


def test_a_place_without_a_model_is_refused_once(tmp_path, model):
    (tmp_path / "empty").mkdir()
    shutil.copytree(model, tmp_path / "empty" / "意图" / "infer_model")
    (found,) = refusals(tmp_path, tmp_path / "empty")
    assert f"Found no model in {tmp_path / 'empty'}. There are those of tasks: {tmp_path / 'empty' / '意图'}." in found
    (found,) = refusals(tmp_path, tmp_path / "nothing")
    assert f"Found no model in {tmp_path / 'nothing'}. Train one, or correct the path." in found


def test_a_damaged_description_is_refused(tmp_path, model):
    (model / "config.json").write_text('{"format_version": 3, "tasks": {}}')
    found = refusals(tmp_path, model)
    assert all("freeze_encoder_of: " in problem for problem in found), found
    assert any("config.json" in problem for problem in found)


def test_prediction_needs_no_such_model(tmp_path):
    keys = configuration(tmp_path, freeze_encoder_of="gone")
    found = load_run_configs(keys, for_train=False)[0]
    assert found.backbone_config is None


def test_the_resolved_configuration_names_no_path_that_follows_from_the_model(tmp_path, model):
    found = resolved(tmp_path, model)
    assert found.resolved["vocab_path"] is None
    assert found.resolved["tasks"]["新任务"]["vocab_path"] is None
    again = load_run_configs(found.resolved, wiring=True)[0]
    assert again.run.vocab_path == found.run.vocab_path
    assert again.backbone == found.backbone
