"""Data and configurations that several benchmarks train on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import BertWordPieceTokenizer

Config = dict[str, Any]

BERT_BASE: Config = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "model_type": "bert",
}
LEARNING_RATE, WEIGHT_DECAY = 1e-5, 0.01
# Epochs: runs do not end by themselves, the parent ends them. The last step is computed before the first, so not more.
_ENDLESS = 1000


def write_fixed_rows(file: Path, vocab: Path, *, rows: int, pieces: int, classes: int = 2, seed: int = 1) -> None:
    """A table for `cls` whose texts have `pieces` tokens, so that with [CLS] and [SEP] no padding is needed."""
    words = np.array([word for word in vocab.read_text(encoding="utf-8").split("\n") if _is_one_piece(word)])
    generator = np.random.default_rng(seed)
    lines = [f"{row % classes}\t{' '.join(generator.choice(words, pieces))}" for row in range(rows)]
    file.write_text("label\ttext_a\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _is_one_piece(word: str) -> bool:
    """Whether the token is a whole word, which the tokenizer keeps as one token."""
    return word.isascii() and word.isalpha() and word.islower() and len(word) > 2


def training_config(model: Path, work: Path, tasks: Mapping[str, object]) -> Config:
    """PALM's configuration of an endless run that starts from `model`."""
    return {
        "tasks": dict(tasks),
        "backbone": "bert",
        "pretrain_model_path": str(model),
        "do_lower_case": True,
        "optimizer": "adamw",
        "learning_rate": LEARNING_RATE,
        "lr_scheduler": "constant",
        "weight_decay": WEIGHT_DECAY,
        "max_grad_norm": 1.0,
        "num_epochs": _ENDLESS,
        "use_gpu": False,
        "save_path": str(work / "output_model"),
    }


def peer_settings(model: Path, tasks: Mapping[str, Mapping[str, object]]) -> Config:
    """The same for a peer; each task has `kind`, `file`, `ratio`, `batch_size` and `max_length`."""
    return {
        "model": str(model),
        "sizes": None,
        "vocab": str(model / "vocab.txt"),
        "tasks": {name: dict(task) for name, task in tasks.items()},
        "learning_rate": LEARNING_RATE,
        "weight_decay": WEIGHT_DECAY,
        "max_grad_norm": 1.0,
        "seed": 1,
    }


def fixed_shape_job(model: Path, work: Path, *, batch: int, seq: int) -> tuple[Config, Config]:
    """One classification task whose batches are all `batch` × `seq`: PALM's configuration and a peer's settings."""
    file = work / f"fixed_{batch}x{seq}.tsv"
    write_fixed_rows(file, model / "vocab.txt", rows=8 * batch, pieces=seq - 2)
    task = {"reader": "cls", "paradigm": "cls", "train_file": str(file), "batch_size": batch, "max_seq_len": seq}
    peer = {"kind": "cls", "file": str(file), "ratio": 1.0, "batch_size": batch, "max_length": seq}
    return training_config(model, work, {"fixed": task}), peer_settings(model, {"fixed": peer})


def token_lengths(texts: Sequence[str], vocab: Path, *, longest: int) -> list[int]:
    """Tokens of each text, with [CLS] and [SEP], at most `longest`."""
    tokenizer = BertWordPieceTokenizer(str(vocab), lowercase=True)
    return [min(len(encoding.ids), longest) for encoding in tokenizer.encode_batch(list(texts))]


def with_random_weights(
    config: Mapping[str, object], settings: Mapping[str, object], backbone_config: Mapping[str, object], work: Path
) -> tuple[Config, Config]:
    """The same job on a randomly initialized encoder of `sizes`, with the same vocabulary."""
    file = work / "sizes.json"
    file.write_text(json.dumps(backbone_config), encoding="utf-8")
    ours = {key: value for key, value in config.items() if key != "pretrain_model_path"}
    ours |= {"backbone_config_path": str(file), "vocab_path": settings["vocab"]}
    return ours, {**settings, "model": None, "sizes": dict(backbone_config)}
