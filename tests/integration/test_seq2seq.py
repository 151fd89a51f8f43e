"""The paradigm `seq2seq` in whole runs: trained in a mix, resumed, exported, predicted, evaluated, served."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import palm
from palm.errors import ConfigError
from palm.storage.arrays import load_arrays
from palm.storage.layout import WEIGHTS_FILE
from tests.integration import tiny
from tests.palm_command import palm_here


def tasks(folder: Path, **keys: Any) -> dict[str, dict[str, Any]]:
    """A task that translates, and one that classifies."""
    return {
        "译": {**tiny.translation_task(folder, "译"), "max_target_len": 12, "decoder_layers": 1, **keys},
        "water": tiny.classification_task(folder, "water", 24),
    }


def train(folder: Path, some: dict[str, Any], **keys: Any) -> Path:
    folder.mkdir(exist_ok=True)
    palm.Controller(tiny.config(folder, some, **{"max_steps": 16, "num_epochs": 90, **keys}), overrides=[]).train()
    return folder / "out"


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_arrays(folder / WEIGHTS_FILE)


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    some = tasks(folder, num_beams=2, metrics=["exact_match", "teacher_forcing"])
    return train(folder, some, max_steps=700, learning_rate=3e-3, warmup_proportion=0.1)


def test_a_mix_learns_to_translate(mixed: Path) -> None:
    records = [json.loads(line) for line in (mixed / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = {record["task"]: record for record in records if record.get("split") == "dev"}
    assert last["译"]["exact_match"] >= 0.8
    assert last["译"]["target_accuracy"] >= 0.9
    assert 1 <= last["译"]["perplexity"] < 1.6
    assert last["water"]["accuracy"] >= 0.8


def test_the_model_of_the_run_writes_what_that_of_the_task_does(mixed: Path) -> None:
    texts = ["the big red fish in the house", "the small green bird in the house", ""]
    together, alone = palm.load(mixed)["译"](texts), palm.load(mixed / "译")(texts)
    assert together == alone
    assert [row["text"] for row in together[:2]] == ["大红鱼在河", "小绿鸟在河"]
    assert all(row["score"] <= 0 for row in together)


def test_keys_of_the_search_may_be_others_than_in_training(mixed: Path, tmp_path: Path) -> None:
    some = tasks(tmp_path, num_beams=1, min_target_len=9)
    config = tiny.config(tmp_path, some, save_path=str(mixed.parent / "out"))
    [found] = palm.Controller(config, overrides=[]).predictor("译")(["the big red fish in the house"])
    assert len(found["text"]) >= 9


def test_predictions_of_a_file_keep_the_target(mixed: Path, tmp_path: Path) -> None:
    file = tmp_path / "译.jsonl"
    file.write_text('{"text_a": "the big red fish in the house", "target": "大红鱼在河", "id": 7}\n', encoding="utf-8")
    [row] = palm.load(mixed)["译"].predict(file)
    assert (row["gold"], row["text"], row["id"]) == ("大红鱼在河", "大红鱼在河", 7)


def test_evaluation_of_a_file(mixed: Path, tmp_path: Path) -> None:
    model = palm.load(mixed / "译")
    found = model.evaluate(tiny.translation_task(tmp_path, "译")["dev_file"])
    assert found.keys() == {"loss", "exact_match", "target_accuracy", "perplexity"}
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]), rel=0.02)


@pytest.mark.parametrize("to", ["onnx", "paddle"])
def test_a_graph_is_refused_with_the_reason(mixed: Path, tmp_path: Path, to: str) -> None:
    found = palm_here("export", mixed, "--to", to, "--output", tmp_path / "x")
    assert found.returncode == 2
    assert "tasks.译: its head cannot be written as a graph for other programs" in found.stderr
    assert not (tmp_path / "x").exists()


def test_the_other_tasks_of_the_run_are_exported(mixed: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[onnx]")
    found = palm_here("export", mixed, "--to", "onnx", "--tasks", "water", "--output", tmp_path / "x")
    assert found.returncode == 0, found.stderr
    assert palm.load(tmp_path / "x")["water"](["the big red fish in the house"])[0]["label"] == "water"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"amp": "bf16", "sampling": "adaptive", "weighting": "uncertainty"},
        {"mode": "joint", "weighting": "pcgrad"},
        {"gradient_accumulation_steps": 2, "use_ema": True, "ema_decay": 0.7},
    ],
    ids=["plain", "bf16, adaptive", "joint, PCGrad", "accumulation, EMA"],
)
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, keys: dict[str, Any]) -> None:
    data = tasks(tmp_path, label_smoothing=0.1)
    whole = train(tmp_path / "whole", data, save_every_n_steps=8, **keys)
    half = tmp_path / "half" / "out"
    shutil.copytree(whole / "ckpt/step_8", half / "ckpt/step_8")
    train(tmp_path / "half", data, save_every_n_steps=8, resume="auto", **keys)
    for place in ("ckpt/step_16", "译/infer_model", "infer_model"):
        assert_equal(weights(whole / place), weights(half / place))


@pytest.mark.parametrize(
    "own",
    [
        {"sharing": "adapter", "sharing_size": 4},
        {"sharing": "private_layers", "sharing_layers": 1, "layers": "mix"},
        {"rdrop_alpha": 1.0},
        {"smart_weight": 1.0},
        {"layer": 0, "kernels": "plain"},
    ],
    ids=["adapter", "private layers", "R-Drop", "SMART", "a lower layer, plain kernels"],
)
def test_with_what_tasks_may_have_of_their_own(tmp_path: Path, own: dict[str, Any]) -> None:
    kernels = {"kernels": own.pop("kernels")} if "kernels" in own else {}
    out = train(tmp_path, tasks(tmp_path, **own), max_steps=4, **kernels)
    assert isinstance(palm.load(out)["译"](["the big red fish"])[0]["text"], str)


def test_two_tasks_share_a_decoder(tmp_path: Path) -> None:
    some = tasks(tmp_path)
    some["再译"] = {**some["译"], "share_head_with": "译"}
    out = train(tmp_path, some, max_steps=6)
    assert palm.load(out)["再译"](["the cat"])[0]["text"] == palm.load(out)["译"](["the cat"])[0]["text"]


def test_a_pair_of_files_trains(tmp_path: Path) -> None:
    rows = tiny.translation_rows(24, seed=3)
    for ending, column in (("en", 0), ("zh", 1)):
        (tmp_path / f"train.{ending}").write_text("".join(f"{row[column]}\n" for row in rows), encoding="utf-8")
    file = str(tmp_path / "train.en")
    some = {"译": {"reader": "seq2seq", "paradigm": "seq2seq", "train_file": file, "target_ending": "zh",
                  "max_target_len": 12, "decoder_layers": 1, "dev_file": "20%"}}  # fmt: skip
    out = train(tmp_path, some, max_steps=4)
    assert (out / "译" / "infer_model").is_dir()


def test_a_metric_whose_package_is_absent_is_found_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sacrebleu", None)
    some = tasks(tmp_path, metrics=["bleu"])
    with pytest.raises(ConfigError, match=r"BLEU and chrF are computed by sacrebleu.*paddle-palm\[seq2seq\]"):
        palm.Controller(tiny.config(tmp_path, some), overrides=[])
