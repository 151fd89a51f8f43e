"""Whole runs on encoders that are not built like BERT: everything that works with BERT works with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny

ENCODERS: dict[str, dict[str, Any]] = {
    "modernbert": {"backbone": "modernbert", "local_attention": 8, "num_hidden_layers": 4},
    "deberta": {
        "backbone": "deberta", "relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "pos_att_type": "p2c|c2p", "position_biased_input": False, "type_vocab_size": 0,
    },
}  # fmt: skip
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "hard": ({}, {}),
    "adapter": ({"sharing": "adapter"}, {}),
    "lora": ({"sharing": "lora"}, {}),
    "private": ({"sharing": "private"}, {}),
    "private_layers": ({"sharing": "private_layers", "sharing_layers": 1}, {}),
    "soft": ({"sharing": "soft", "soft_sharing_weight": 0.1}, {}),
    "mix of layers": ({"layers": "mix"}, {}),
    "an inner layer": ({"layer": 0}, {}),
    "recomputed": ({}, {"recompute": True}),
    "bfloat16": ({}, {"amp": "bf16"}),
    "smart": ({"smart_weight": 0.5}, {}),
    "fgm and layer-wise rates": ({}, {"adversarial_epsilon": 0.5, "layer_lr_decay": 0.9, "freeze_layers": 1}),
    "plain kernels": ({}, {"kernels": "plain"}),
    "gradients in balance": ({}, {"weighting": "pcgrad"}),
}

every_encoder = pytest.mark.parametrize("encoder", ENCODERS)


def config(folder: Path, encoder: str, own: dict[str, Any], **keys: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    tasks = {
        "水": {**tiny.classification_task(folder, "水", count=24, chinese=True), **own},
        "slots": {**tiny.slot_task(folder, "slots"), **own},
        "pairs": tiny.match_task(folder, "pairs"),
        "reading": tiny.mrc_task(folder, "reading"),
        "words": tiny.mlm_task(folder, "words"),
    }
    return tiny.config(folder, tasks, **ENCODERS[encoder], **{"max_steps": 10, "num_epochs": 9, **keys})


@every_encoder
@pytest.mark.parametrize("way", WAYS)
def test_a_run_trains_resumes_to_the_same_bits_and_predicts(encoder: str, way: str, tmp_path: Path) -> None:
    own, keys = WAYS[way]
    run = palm.Controller(config(tmp_path, encoder, own, **keys), overrides=[])._training_run()
    losses = []
    for step in train_steps(run):
        losses.append(step.loss)
        if step.global_step == 6:
            save_checkpoint(run, tmp_path / "ckpt", keep=1)
    again = palm.Controller(config(tmp_path / "again", encoder, own, **keys), overrides=[])._training_run()
    restore_checkpoint(again, tmp_path / "ckpt" / "step_6")
    list(train_steps(again))

    assert np.isfinite(losses).all()
    first, other = run.model.state_dict(), again.model.state_dict()
    assert first.keys() == other.keys()
    assert [name for name, array in first.items() if not np.array_equal(array.numpy(), other[name].numpy())] == []


# Each encoder as it is, and each way once: every way trains on every encoder above.
@pytest.mark.parametrize(
    ("encoder", "own"),
    [
        ("modernbert", {}),
        ("deberta", {}),
        ("modernbert", {"sharing": "lora"}),
        ("deberta", {"sharing": "soft"}),
        ("modernbert", {"layers": "0, -1"}),
    ],
)
def test_it_learns_and_the_exported_model_predicts_the_same(encoder: str, own: dict[str, Any], tmp_path: Path) -> None:
    keys = config(tmp_path, encoder, own, max_steps=None, num_epochs=12, learning_rate=3e-3)
    for name in ("pairs", "reading", "words"):
        del keys["tasks"][name]
    controller = palm.Controller(keys, overrides=[])
    controller.train()
    rows = palm.Predictor(tmp_path / "out" / "水" / "infer_model").predict_rows(
        [{"text_a": "小蓝鱼在河"}, {"text_a": "大红鸟在河"}]
    )

    assert [row["label"] for row in rows] == ["water", "air"]
    controller.pred("水")
    lines = (tmp_path / "out" / "水" / "predictions.json").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert [row["label"] for row in found] == [label for label, _ in tiny.classification_rows(16, seed=2, chinese=True)]


@every_encoder
def test_texts_longer_than_a_window_train(encoder: str, tmp_path: Path) -> None:
    rows = [[label, (text + "红") * 9] for label, text in tiny.classification_rows(16, seed=1, chinese=True)]
    task = {
        "reader": "cls",
        "paradigm": "cls",
        "train_file": tiny.write_tsv(tmp_path / "a.tsv", ["label", "text_a"], rows),
    }
    keys = tiny.config(tmp_path, {"a": task}, **ENCODERS[encoder], max_seq_len=60, max_steps=2)
    run = palm.Controller(keys, overrides=[])._training_run()

    assert all(np.isfinite(step.loss) for step in train_steps(run))


def test_absolute_positions_limit_the_length_and_relative_ones_do_not(tmp_path: Path) -> None:
    for encoder, more, refused in (
        ("modernbert", {}, True),
        ("deberta", {}, False),
        ("deberta", {"position_biased_input": True}, True),
    ):
        keys = config(tmp_path, encoder, {}, max_seq_len=70) | more
        if refused:
            with pytest.raises(ConfigError, match="max_seq_len is at most the backbone's max_position_embeddings"):
                palm.Controller(keys, overrides=[])._training_run()
        else:
            palm.Controller(keys, overrides=[])._training_run()
