"""When a run writes the model of all its tasks, of which step, and what happens where it is stopped meanwhile."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

import palm
from palm.errors import CheckpointError, ConfigError
from palm.training import run_model
from tests.integration import tiny
from tests.palm_command import palm_here

LANGUAGES = pytest.mark.parametrize("chinese", [False, True], ids=["en", "zh"])


def config(folder: Path, *, chinese: bool = False, **keys: Any) -> dict[str, Any]:
    tasks = {
        "水": {**tiny.classification_task(folder, "水", 32, chinese=chinese), "sharing": "adapter", "sharing_size": 4},
        "slots": {**tiny.slot_task(folder, "slots"), "head": "crf"},
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
        "unused": {**tiny.match_task(folder, "unused"), "mix_ratio": 0, "target": False},
    }
    return tiny.config(folder, tasks, **{"num_epochs": 2, "for_cn": chinese, **keys})


def train(folder: Path, **keys: Any) -> Path:
    folder.mkdir(exist_ok=True)
    palm.Controller(config(folder, **keys), overrides=[]).train()
    return folder / "out"


def described(model: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((model / "config.json").read_text(encoding="utf-8"))
    return content


def weights(folder: Path, name: str = "model.safetensors") -> dict[str, np.ndarray]:
    return load_file(str(folder / name))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@LANGUAGES
def test_at_the_end_of_a_run(tmp_path: Path, chinese: bool) -> None:
    out = train(tmp_path, chinese=chinese, save_every_n_steps=1)
    records = tiny.metrics(tmp_path)
    last = max(record["global_step"] for record in records)
    saved = described(out / "infer_model")
    assert saved["global_step"] == last
    assert list(saved["tasks"]) == ["水", "slots", "words"]
    kept = {name: array for name, array in weights(out / f"ckpt/step_{last}").items() if "unused" not in name}
    assert same(weights(out / "infer_model"), kept)
    for name in ("水", "slots"):
        dev = [row for row in records if row["split"] == "dev" and row["task"] == name][-1]
        assert saved["tasks"][name]["metrics"] == {key: value for key, value in dev.items() if isinstance(value, float)}
        ended = next(row for row in records if row["split"] == "export" and row["task"] == name)
        if ended["global_step"] == last:
            text = {"text_a": "大红鱼在河" if chinese else "the big red fish"}
            assert palm.load(out)[name]([text]) == palm.load(out / name)([text])
    line = (
        f"all tasks: inference model saved at {(out / 'infer_model').as_posix()} (global step {last}: 水, slots, words)"
    )
    assert tiny.log_lines(tmp_path).count(line) == 1
    [record] = [row for row in records if row["split"] == "run_model"]
    assert (record["of_step"], record["tasks"]) == (last, ["水", "slots", "words"])
    card = (out / "infer_model/README.md").read_text(encoding="utf-8")
    assert saved["tasks"]["水"]["data"]["rows"][:16] in card


@pytest.mark.parametrize("average", [{}, {"use_ema": True, "ema_decay": 0.5}], ids=["plain", "ema"])
def test_of_the_best_step(tmp_path: Path, average: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"selection": {"水.loss": -1.0}, "eval_every_n_steps": 1, "learning_rate": 0.2, "max_steps": 6, **average}
    out = train(tmp_path, **keys)
    dev = {
        row["global_step"]: row["loss"]
        for row in tiny.metrics(tmp_path)
        if row.get("task") == "水" and row["split"] == "dev"
    }
    best = min(dev, key=lambda step: dev[step])
    assert best < max(dev)
    saved = described(out / "infer_model")
    assert saved["global_step"] == best
    assert saved["tasks"]["水"]["metrics"]["loss"] == dev[best]
    text = ["the big red fish in the house"]
    assert palm.load(out)["水"](text) == palm.load(out / "水/best_infer_model")(text)
    if not average:
        kept = {name: array for name, array in weights(out / f"ckpt/step_{best}").items() if "unused" not in name}
        assert same(weights(out / "infer_model"), kept)
    # An ended run that is started again has nothing to train; a missing model is written again, with the same bits.
    before = weights(out / "infer_model")
    shutil.rmtree(out / "infer_model")
    palm.Controller(config(tmp_path, **keys, resume="auto", save_every_n_steps=1), overrides=[]).train()
    assert same(weights(out / "infer_model"), before)


def test_a_missing_model_of_the_end_is_written_again_with_the_average(tmp_path: Path) -> None:
    keys = {"max_steps": 6, "save_every_n_steps": 3, "use_ema": True, "ema_decay": 0.5, "learning_rate": 0.1}
    out = train(tmp_path, **keys)
    before = weights(out / "infer_model")
    shutil.rmtree(out / "infer_model")
    palm.Controller(config(tmp_path, **keys, resume="auto"), overrides=[]).train()
    assert same(weights(out / "infer_model"), before)


def test_at_an_early_stop(tmp_path: Path) -> None:
    keys = {"selection": {"水.loss": -1.0}, "selection_patience": 2, "eval_every_n_steps": 1, "learning_rate": 0.2}
    out = train(tmp_path, **keys, num_epochs=9)
    steps = [row["global_step"] for row in tiny.metrics(tmp_path) if row["split"] == "train"]
    saved = described(out / "infer_model")
    assert saved["global_step"] == max(steps) - 2
    assert any("the run: stops early" in line for line in tiny.log_lines(tmp_path))


def test_patience_of_the_targets_alone(tmp_path: Path) -> None:
    tasks = config(tmp_path)["tasks"]
    tasks = {name: {**tasks[name], "early_stopping_patience": 1} for name in ("水", "slots")}
    keys = {"eval_every_n_steps": 1, "learning_rate": 0.2, "num_epochs": 9}
    palm.Controller(tiny.config(tmp_path, tasks, **keys), overrides=[]).train()
    steps = [row["global_step"] for row in tiny.metrics(tmp_path) if row["split"] == "train"]
    assert described(tmp_path / "out/infer_model")["global_step"] == max(steps)


def test_an_older_run_that_had_ended_without_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = train(tmp_path)
    shutil.rmtree(out / "infer_model")
    before = (out / "metrics.jsonl").read_bytes()
    palm.Controller(config(tmp_path, resume="auto"), overrides=[]).train()
    assert "there is no model of all its tasks" in capsys.readouterr().out
    assert (out / "metrics.jsonl").read_bytes() == before


def test_what_is_in_its_place_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "out/infer_model").mkdir(parents=True)
    (tmp_path / "out/infer_model/mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CheckpointError, match="PALM only replaces folders that it wrote"):
        train(tmp_path)
    assert not (tmp_path / "out/metrics.jsonl").exists()


def test_names_that_would_collide(tmp_path: Path) -> None:
    made = config(tmp_path)
    with pytest.raises(ConfigError, match=r"is not ckpt, earlier, infer_model or trackers\. Found `infer_model`"):
        palm.Controller({**made, "tasks": {"infer_model": made["tasks"]["水"]}}, overrides=[])
    stage = {"infer_model": {"num_epochs": 1}}
    with pytest.raises(ConfigError, match="Found `infer_model`"):
        palm.Controller({**made, "stages": stage}, overrides=[])


def test_a_full_disk_keeps_the_models_of_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise CheckpointError("No space left on device.")

    monkeypatch.setattr(run_model, "save_run", full)
    with pytest.raises(CheckpointError, match="No space left"):
        train(tmp_path, save_every_n_steps=5)
    monkeypatch.undo()
    assert (tmp_path / "out/slots/infer_model/manifest.json").is_file()
    palm.Controller(config(tmp_path, save_every_n_steps=5, resume="auto"), overrides=[]).train()
    assert (tmp_path / "out/infer_model/manifest.json").is_file()


def palm_train(file: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "palm", "train", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("every", [-1, 1], ids=["no checkpoint", "checkpoints"])
def test_killed_while_it_is_written_and_resumed(tmp_path: Path, every: int) -> None:
    files = {}
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        keys = {"save_every_n_steps": every, "vocab_size": 200_000, "max_steps": 4, "eval_every_n_steps": 0}
        files[name] = tmp_path / name / "config.yaml"
        files[name].write_text(yaml.safe_dump(config(tmp_path / name, **keys), allow_unicode=True), encoding="utf-8")
    assert palm_here("train", files["whole"]).returncode == 0
    killed, out = palm_train(files["killed"]), tmp_path / "killed/out"
    while killed.poll() is None and not list(out.glob(".infer_model.writing-*/model.safetensors")):
        time.sleep(0.001)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert list(out.glob(".infer_model.writing-*"))
    assert not (out / "infer_model").exists()
    again = palm_here("train", files["killed"], "--resume")
    assert again.returncode == 0, again.stderr
    assert not list(out.glob(".infer_model.writing-*"))
    models = [tmp_path / name / "out/infer_model" for name in files]
    assert same(*map(weights, models))
    for name in ("水", "slots"):
        tasks = [described(model)["tasks"][name] for model in models]
        assert tasks[0] == tasks[1]
    assert "had ended" in palm_here("train", files["killed"], "--resume").stdout
    assert same(*map(weights, models))
