"""Tasks of every paradigm and of every kind of sharing in one run, in English and in Chinese."""

import json
from pathlib import Path
from typing import Any

from palm.engine.run import TrainingRun
from palm.engine.train import train_steps
from palm.inference.bundle import RunFacts, save_bundle, save_run
from tests.integration import tiny

STEPS = 12
ENGLISH = ["the big red fish in the house", "a cat", "who swims in the river not the sky house big small the bird runs"]
CHINESE = ["大红鱼在河", "鸟", "谁在天的房?小绿猫跑,蓝鸟飞,大鱼游,红猫不在河,谁不在房的大河"]
TEXTS = [*ENGLISH, *CHINESE, "the red 鱼 在 the river [MASK]", ""]
"""Rows of different lengths, one longer than max_seq_len."""


def tasks(folder: Path) -> dict[str, dict[str, Any]]:
    """Every paradigm, some of them twice: with an adapter, LoRA, layers of its own, a mix of layers, a shared head."""
    rows = tiny.classification_rows(24, seed=3, chinese=True)
    write = tiny.write_tsv
    sets = [["|".join(sorted({label, text[0]} - {"大"})), text] for label, text in rows]
    numbers = [[str(2.5 if label == "water" else -0.5), text] for label, text in rows]
    triples = [[text, "鱼在河", "鸟在天"] for _, text in rows]
    alike = [[text, "鱼在河" if label == "water" else "鸟在天"] for label, text in rows]
    scores = [[str(-0.5 + (label == "water")), text, "鱼在河"] for label, text in rows]
    choices = [[str(int(label == "air")), text, "鱼|鸟"] for label, text in rows]
    lists = [[text, "鱼|鸟|河", "2|0|1" if label == "water" else "0|2|1"] for label, text in rows]
    given = {
        "sets": (sets, ["label", "text_a"], "cls", "multi_label", {"label_kind": "several"}),
        "wet": (numbers, ["label", "text_a"], "cls", "regression", {"label_kind": "number"}),
        "near": (triples, ["text_a", "text_b", "text_b_neg"], "pairwise_match", "pairwise_match", {}),
        "few": (rows, ["label", "text_a"], "embed", "embed", {"with_embedding": True}),
        "same": (alike, ["text_a", "text_b"], "embed_pairs", "embed_pairs", {"symmetric_loss": True}),
        "score": (scores, ["label", "text_a", "text_b"], "embed_pairs", "embed_pairs", {"pair_kind": "scored"}),
        "order": (lists, ["text_a", "choices", "relevance"], "rank", "rank", {}),
        "which": (choices, ["label", "text_a", "choices"], "choice", "choice", {}),
    }
    lines = [
        {"text_a": text, "label": [[0, len(text), label], [0, 1, "first"], [0, 2, label]][: 1 + len(text) % 3]}
        for label, text in rows
    ]
    nested = folder / "nested.jsonl"
    nested.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    spans = {"reader": "spans", "paradigm": "spans", "train_file": str(nested)}
    own = {
        name: {
            "reader": reader,
            "paradigm": paradigm,
            "train_file": write(folder / f"{name}.tsv", header, body),
            **keys,
        }
        for name, (body, header, reader, paradigm, keys) in given.items()
    }
    return {
        "water": tiny.classification_task(folder, "water", 24),
        "水": {**tiny.classification_task(folder, "水", 24, chinese=True), "layers": "mix"},
        "adapted": {**tiny.classification_task(folder, "adapted", 24), "sharing": "adapter", "sharing_size": 4},
        "lora": {**tiny.classification_task(folder, "lora", 24, chinese=True), "sharing": "lora"},
        "private": {**tiny.classification_task(folder, "private", 24), "sharing": "private", "sharing_size": 4},
        "copied": {
            **tiny.classification_task(folder, "copied", 24),
            "sharing": "private_layers",
            "sharing_layers": 1,
        },
        "soft": {**tiny.classification_task(folder, "soft", 24), "sharing": "soft", "sharing_layers": 1},
        "again": {**tiny.classification_task(folder, "again", 24, flip=True), "share_head_with": "water"},
        "shallow": {**tiny.classification_task(folder, "shallow", 24), "layer": 0},
        "pairs": tiny.match_task(folder, "pairs"),
        "slots": {**tiny.slot_task(folder, "slots"), "head": "bilstm_crf", "head_hidden_size": 8},
        "tags": tiny.slot_task(folder, "tags"),
        "trees": tiny.parse_task(folder, "trees", chinese=True),
        "answer": tiny.mrc_task(folder, "answer", chinese=True),
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
        **own,
        "跨": spans,
        "nested": {**spans, "span_scorer": "biaffine", "span_head_size": 7},
    }


def config(folder: Path, **keys: Any) -> dict[str, Any]:
    """A run of all of them."""
    return tiny.config(folder, tasks(folder), **{"max_steps": STEPS, "num_epochs": 9, **keys})


def train(run: TrainingRun) -> None:
    """Train it, without files."""
    for _ in train_steps(run):
        pass


def save_both(run: TrainingRun, folder: Path) -> None:
    """Write the run's model, and beside it each task's own model of the same moment."""
    for task in run.tasks:
        save_bundle(run.model, task, "bert", folder / task.name / "infer_model")
    facts = RunFacts(run.progress.global_step, {}, run.data)
    save_run(run.model, run.tasks, backbone_name="bert", folder=folder / "infer_model", facts=facts)


def rows_for(columns: tuple[str, ...], *, masked: bool = False) -> list[dict[str, object]]:
    """Rows with these columns: every text, beside another one where a task reads more; each with a [MASK] if asked."""
    others = {"choices": "鱼|鸟|the bird", "question": "谁在河?", "text_b": "the bird flies", "text_b_neg": "鸟"}
    rows: list[dict[str, object]] = []
    for number, text in enumerate(TEXTS):
        if text:
            text = f"[MASK] {text}" if masked else text
            row: dict[str, object] = {name: others.get(name, text) for name in columns}
            rows.append({**row, "id": f"行{number}"})
    return rows


def assert_close(one: Any, other: Any, place: str = "") -> None:
    """Equal, but for numbers, which differ by 1e-5 at most, relative above 1."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            assert_close(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for number, (ours, theirs) in enumerate(zip(one, other, strict=True)):
            assert_close(ours, theirs, f"{place}[{number}]")
    elif isinstance(one, float):
        assert abs(one - other) <= 1e-5 * max(1.0, abs(one)), (place, one, other)
    else:
        assert one == other, place
