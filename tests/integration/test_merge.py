"""`palm merge`: the heads of several models over the same encoder in one, each with the answers that it had."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import palm
from palm.cli.main import main
from palm.errors import CheckpointError, ConfigError
from palm.inference.bundle import RunFacts, save_bundle, save_run
from palm.inference.merge import ModelSource, merge_models
from palm.inference.run_predictor import RunPredictor
from tests.attacks import reseal
from tests.integration import all_heads


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of one moment: `one` and `two` of several tasks each, `tags` and `adapted` of a single one."""
    folder = tmp_path_factory.mktemp("合并")
    config = all_heads.config(folder)
    config["tasks"]["tags"]["do_lower_case"] = False
    run = palm.Controller(config, overrides=[])._training_run()
    all_heads.train(run)
    tasks = {task.name: task for task in run.tasks}
    for name, members in {"one": ["water", "again", "slots", "水"], "two": ["soft", "answer", "copied"]}.items():
        parts = [tasks[member] for member in members]
        place = folder / name / "infer_model"
        save_run(run.model, parts, backbone_name="bert", folder=place, facts=RunFacts(7))
    for name in ("tags", "adapted", "copied", "soft"):
        save_bundle(run.model, tasks[name], "bert", folder / name / "infer_model")
    return folder


def answers(model: object) -> dict[str, str]:
    assert isinstance(model, RunPredictor)
    found = {name: model[name](all_heads.rows_for(model.text_columns(name))) for name in model}
    return {name: json.dumps(predictions, ensure_ascii=False) for name, predictions in found.items()}


def test_each_task_answers_as_before(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [models / "one", models / "two/infer_model", models / "adapted", f"标={models / 'tags'}"]
    assert main(["merge", *map(str, words), "--output", str(tmp_path / "all")]) == 0
    names = ["water", "again", "slots", "水", "soft", "answer", "copied", "adapted", "标"]
    assert capsys.readouterr().out == f"{tmp_path / 'all'}: one encoder with the tasks {', '.join(names)}.\n"
    expected = answers(palm.load(models / "one")) | answers(palm.load(models / "two"))
    for name, folder in {"adapted": "adapted", "标": "tags"}.items():
        expected[name] = next(iter(answers(palm.load(models / folder, tasks=[folder])).values()))
    assert answers(palm.load(tmp_path / "all")) == expected
    saved = json.loads((tmp_path / "all/config.json").read_text(encoding="utf-8"))
    assert saved["tasks"]["water"]["head"] == saved["tasks"]["again"]["head"] == "water"
    assert saved["global_step"] is None
    assert "tags" in (tmp_path / "all/README.md").read_text(encoding="utf-8")


def test_a_merged_model_is_merged_again_in_its_place(models: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    merge_models([ModelSource(models / "one")], home)
    saved = merge_models([ModelSource(home), ModelSource(models / "adapted", "new")], home)
    assert list(saved.tasks) == ["water", "again", "slots", "水", "new"]
    assert set(answers(palm.load(home))) == set(saved.tasks)


def test_one_name_twice(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Found `water` in .*one.* Rename one: NEW="):
        merge_models([ModelSource(models / "one"), ModelSource(models / "one")], tmp_path / "all")
    saved = merge_models([ModelSource(models / "one"), ModelSource(models / "one", "old")], tmp_path / "all")
    assert list(saved.tasks)[4:] == ["old_water", "old_again", "old_slots", "old_水"]
    assert saved.tasks["old_again"].head == saved.tasks["old_water"].head != saved.tasks["water"].head
    found = answers(palm.load(tmp_path / "all"))
    assert found["old_slots"] == found["slots"]


def changed(models: Path, tmp_path: Path, kind: str) -> Path:
    """A copy of `two` with another encoder."""
    copy = Path(shutil.copytree(models / "two/infer_model", tmp_path / "other"))
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    weights = load_file(str(copy / "model.safetensors"))
    if kind == "weight":
        name = "backbone.encoder.layers.1.ffn.output.bias"
        weights[name] = np.nextafter(weights[name], np.float32(9))
    elif kind == "key":
        config["backbone"]["config"]["layer_norm_eps"] = 1e-3
    elif kind == "amp":
        config["amp"] = "bf16"
    elif kind == "token":
        lines = (copy / "vocab.txt").read_text(encoding="utf-8").splitlines()
        lines[5], lines[6] = lines[6], lines[5]
        (copy / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        config["tokenizer"]["sha256"] = palm.storage.atomic_directory.sha256_of(copy / "vocab.txt")
    save_file(weights, str(copy / "model.safetensors"))
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    reseal(copy)
    return copy


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("weight", r"`backbone\.encoder\.layers\.1\.ffn\.output\.bias` differs"),
        ("key", r"`layer_norm_eps` is .* there, `0\.001` here"),
        ("amp", r"amp: off there, in amp: bf16 here"),
        ("token", r"token 5 of the vocabulary is `red` there, `green` here"),
    ],
)
def test_another_encoder_is_refused_by_what_differs(models: Path, tmp_path: Path, kind: str, found: str) -> None:
    other = changed(models, tmp_path, kind)
    with pytest.raises(CheckpointError, match=rf"equal to the last bit.* another one: .*{found}\. The models of"):
        merge_models([ModelSource(models / "one"), ModelSource(other)], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_layers_of_a_task_alone_are_another_encoder(models: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"`backbone\.encoder\.layers\.1\..*` differs"):
        merge_models([ModelSource(models / "one"), ModelSource(models / "soft")], tmp_path / "all")


def test_what_is_no_model(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine", encoding="utf-8")
    assert main(["merge", str(models / "one"), str(tmp_path), "--output", str(tmp_path / "all")]) == 2
    assert "Found none. Correct the path" in capsys.readouterr().err
    assert main(["merge", str(models / "one"), "--output", str(tmp_path / "mine")]) == 2
    assert re.search("Found something else. Choose another --output", capsys.readouterr().err)
    assert main(["merge", f"a/b={models / 'one'}", "--output", str(tmp_path / "all")]) == 2
    assert "a task name consists of" in capsys.readouterr().err
    (models / "two/infer_model/config.json").touch()
    damaged = Path(shutil.copytree(models / "two/infer_model", tmp_path / "damaged"))
    with (damaged / "model.safetensors").open("r+b") as file:
        file.seek(4000)
        file.write(b"\0\1\2\3")
    assert main(["merge", str(models / "one"), str(damaged), "--output", str(tmp_path / "all")]) == 2
    assert "differs from what was written" in capsys.readouterr().err
