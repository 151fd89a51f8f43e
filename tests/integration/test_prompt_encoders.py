"""Prompts on every kind of encoder, and with every kind of tokenizer: they train, and answer alike in a graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import palm
from palm.backbone.base import BACKBONES
from palm.data.tokenizer import Tokenizer
from palm.engine.train import train_steps
from palm.inference.bundle import RunFacts, save_run
from tests.integration import prompt_mix, tiny
from tests.integration.all_heads import assert_close

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason='needs the extra onnx: pip install "paddle-palm[onnx]"')

SETTINGS: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 16},
    "electra": {"embedding_size": 16},
    "deberta": {"relative_attention": True, "position_buckets": 8, "share_att_key": True, "pos_att_type": "p2c|c2p"},
    "modernbert": {"local_attention": 8},
}
TEMPLATES = {
    "hard": "{'text': 'text_a'},大{'mask'}。",
    "soft": "{'soft': '谁在 the', 'length': 6}{'text': 'text_a'}{'mask': None, 'length': 2}",
}


def tasks(folder: Path) -> dict[str, dict[str, Any]]:
    made = {
        name: {
            **tiny.classification_task(folder, name, 16, chinese=True),
            "reader": "prompt", "paradigm": "prompt", "prompt": template,
            "label_words": {"water": "鱼", "air": ["鸟", "the bird"]}, "encoder_hidden_size": 5,
        }
        for name, template in TEMPLATES.items()
    }  # fmt: skip
    made["layer"] = {**made["soft"], "verbalizer": "soft"}
    return made


def answers_alike(config: dict[str, Any], folder: Path) -> None:
    """Train a few steps, and compare the saved model with its graph."""
    run = palm.Controller(config, overrides=[])._training_run()
    assert all(np.isfinite(step.loss) for step in train_steps(run))
    save_run(run.model, run.tasks, backbone_name=config["backbone"], folder=folder / "infer_model", facts=RunFacts(6))
    ours, theirs = palm.load(folder), palm.load(folder, runtime="onnx")
    for name in ours:
        rows = prompt_mix.rows_of(ours, name)
        assert_close(ours[name].predict_rows(rows), theirs[name].predict_rows(rows), name)


@pytest.mark.parametrize("encoder", list(BACKBONES))
def test_every_encoder(encoder: str, tmp_path: Path) -> None:
    keys = {"max_seq_len": 40, "max_steps": 6, "num_epochs": 9, "backbone": encoder, **SETTINGS.get(encoder, {})}
    answers_alike(tiny.config(tmp_path, tasks(tmp_path), **keys), tmp_path / "out")


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-r", "deberta-v3", "modernbert"])
def test_every_tokenizer(kind: str, small_tokenizers: dict[str, Path], tmp_path: Path) -> None:
    file = small_tokenizers[kind] / "tokenizer.json"
    made = Tokenizer.from_file(file)
    sizes = {"vocab_size": made.vocab_size, "max_position_embeddings": 96, "type_vocab_size": made.pair.num_segments}
    keys = {"max_seq_len": 80, "max_unk_fraction": 1, "max_steps": 4, "num_epochs": 9, **sizes}
    config = tiny.config(tmp_path, tasks(tmp_path), **keys)
    config.pop("do_lower_case")
    answers_alike({**config, "vocab_path": str(file)}, tmp_path / "out")
