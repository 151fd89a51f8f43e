"""The paradigms `embed` and `embed_pairs` in whole runs: trained in a mix, resumed, exported, predicted, encoded."""

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


def tasks(folder: Path) -> dict[str, dict[str, Any]]:
    """A task of labelled texts in Chinese, one of positive pairs, and one that classifies."""
    few = {**tiny.classification_task(folder, "few", 24, chinese=True), "reader": "embed", "paradigm": "embed"}
    pairs = [[text, "the bird flies" if label == "air" else "the fish swims"] for label, text in
             tiny.classification_rows(24, seed=8)]  # fmt: skip
    file = tiny.write_tsv(folder / "pairs.tsv", ["text_a", "text_b"], pairs)
    same = {"reader": "embed_pairs", "paradigm": "embed_pairs", "train_file": file, "dev_file": file}
    return {"few": few, "same": same, "water": tiny.classification_task(folder, "water", 24)}


def train(folder: Path, some: dict[str, Any], **keys: Any) -> Path:
    folder.mkdir(exist_ok=True)
    palm.Controller(tiny.config(folder, some, **{"max_steps": 24, "num_epochs": 30, **keys}), overrides=[]).train()
    return folder / "out"


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_arrays(folder / WEIGHTS_FILE)


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    return train(folder, tasks(folder), max_steps=60)


def test_a_mix_learns_each_of_its_tasks(mixed: Path) -> None:
    records = [json.loads(line) for line in (mixed / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = {record["task"]: record for record in records if record.get("split") == "dev"}
    assert last["few"]["accuracy"] >= 0.9  # of two classes
    assert last["same"]["accuracy"] >= 0.9  # of two different texts
    assert 0 < last["few"]["loss"] < 0.25  # cosines of 0.5 on average would have 0.25


def test_the_model_of_the_run_predicts_and_encodes(mixed: Path) -> None:
    run = palm.load(mixed)
    found = run["few"](["大红鱼在河", "小绿鸟在河"])
    assert [row["label"] for row in found] == ["water", "air"]
    assert sum(found[0]["probs"].values()) == pytest.approx(1.0)
    [pair] = run["same"]([{"text_a": "the big red fish in the house", "text_b": "the fish swims"}])
    texts = ["the big red fish in the house", "the fish swims"]
    vectors = run.encode(texts, task="same", normalize_embeddings=True)
    assert pair["value"] == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6)
    assert run["few"].encode(["鱼"]).shape == run["water"].encode(["鱼"]).shape == (1, 32)
    with pytest.raises(ConfigError, match="Found few, same"):
        run.encode(["鱼"])


def test_each_task_alone_predicts_what_it_does_in_the_run(mixed: Path) -> None:
    alone, together = palm.load(mixed / "few"), palm.load(mixed)["few"]
    assert alone(["大红鱼在河"])[0]["probs"] == together(["大红鱼在河"])[0]["probs"]


@pytest.mark.parametrize("keys", [{}, {"use_ema": True, "ema_decay": 0.7}], ids=["plain", "ema"])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, keys: dict[str, Any]) -> None:
    data = tasks(tmp_path)
    whole = train(tmp_path / "whole", data, save_every_n_steps=10, **keys)
    half = tmp_path / "half" / "out"
    shutil.copytree(whole / "ckpt/step_10", half / "ckpt/step_10")
    train(tmp_path / "half", data, save_every_n_steps=10, resume="auto", **keys)
    for place in ("ckpt/step_24", "few/infer_model", "infer_model"):
        assert_equal(weights(whole / place), weights(half / place))


def test_how_often_a_run_is_evaluated_changes_nothing(tmp_path: Path) -> None:
    data = {"few": tasks(tmp_path)["few"]}
    often = train(tmp_path / "often", data, eval_every_n_steps=1)
    never = train(tmp_path / "never", data, eval_every_n_steps=0)
    assert_equal(weights(often / "few/infer_model"), weights(never / "few/infer_model"))
    assert weights(often / "few/infer_model")["head.linear.weight"].any()


def test_the_best_evaluation_is_exported_with_its_own_head(tmp_path: Path) -> None:
    data = {"few": tasks(tmp_path)["few"]}
    out = train(tmp_path / "run", data, eval_every_n_steps=2, export="best", selection={"few": 1.0}, max_steps=8)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    best = max(record["accuracy"] for record in records if record.get("split") == "dev")
    for model in (palm.load(out / "few"), palm.load(out)["few"]):
        assert model.evaluate(data["few"]["dev_file"])["accuracy"] == best


def test_a_frozen_encoder_still_gets_a_fitted_head(tmp_path: Path, mixed: Path) -> None:
    data = {"more": {**tasks(tmp_path)["few"]}}
    keys = {"freeze_encoder_of": str(mixed), "save_path": str(tmp_path / "out"), "max_steps": 3, "batch_size": 8}
    palm.Controller({"tasks": data, **keys, "max_seq_len": 24, "use_gpu": False}, overrides=[]).train()
    out = tmp_path / "out"
    assert palm.load(out)["more"].evaluate(data["more"]["dev_file"])["accuracy"] >= 0.9


def test_a_graph_predicts_and_encodes_the_same(mixed: Path) -> None:
    pytest.importorskip("onnx", reason="needs onnx: pip install .[onnx]")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[onnx]")
    ours, graph = palm.load(mixed), palm.load(mixed, runtime="onnx")
    texts = ["大红鱼在河", "the fish swims", ""]
    np.testing.assert_allclose(ours["few"].encode(texts), graph["few"].encode(texts), atol=1e-5)
    for one, other in zip(ours["few"](texts[:2]), graph["few"](texts[:2]), strict=True):
        assert one["probs"] == pytest.approx(other["probs"], abs=1e-5)


@pytest.mark.slow
def test_few_labels_of_news_in_chinese(tmp_path: Path, shared: Path) -> None:
    """Four topics of FewCLUE's tnews with 16 texts each, after 6 steps: chance is 0.25."""
    names = ("news_sports", "news_game", "news_house", "news_finance")
    home, encoder = shared / "data" / "fewclue_tnews", shared / "models" / "me5-small-zh-char"

    def write(name: str, most: int) -> str:
        lines = (home / f"{name}.json").read_text(encoding="utf-8").splitlines()
        rows = [(row["label_desc"], row["sentence"].replace("\t", " ")) for row in map(json.loads, lines)]
        chosen = [[label, text] for label in names for label, text in [row for row in rows if row[0] == label][:most]]
        return tiny.write_tsv(tmp_path / f"{name}.tsv", ["label", "text_a"], chosen)

    few = {"reader": "embed", "paradigm": "embed", "train_file": write("train_0", 16), "dev_file": write("dev_1", 8)}
    config = {"tasks": {"news": few}, "pretrain_model_path": str(encoder), "vocab_path": str(encoder / "vocab.txt")}
    config |= {"save_path": str(tmp_path / "out"), "max_seq_len": 24, "batch_size": 8, "learning_rate": 3e-5}
    palm.Controller({**config, "max_steps": 6, "use_gpu": False, "pred_batch_size": 16}, overrides=[]).train()
    found = palm.load(tmp_path / "out")["news"].evaluate(few["dev_file"])
    assert found["accuracy"] >= 0.6
    assert found["macro_f1"] >= 0.55
