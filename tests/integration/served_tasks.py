"""A run with a task of every paradigm, and rows for each of them, in English and Chinese."""

import json
from pathlib import Path
from typing import Any

import palm
from tests.integration import tiny

STEPS = 110
CHOICES = ["the bird flies", "the fish swims", "鱼游"]
ENGLISH, CHINESE = "the big red fish in the house", "大红鱼在河"

ROWS: dict[str, list[Any]] = {
    "intent": [ENGLISH, CHINESE, "the cat runs"],
    "sets": [ENGLISH, CHINESE],
    "prompted": [ENGLISH, CHINESE, "the cat runs"],
    "chosen": [ENGLISH, CHINESE],
    "slots": [ENGLISH, {"text_a": ["the", "red", "鱼"]}],
    "tags": [ENGLISH, "the green bird"],
    "trees": [ENGLISH, {"text_a": ["the", "red", "鱼"]}],
    "cloze": ["the [MASK] fish in the [MASK]", "红[MASK]"],
    "pairs": [{"text_a": ENGLISH, "text_b": "the bird flies"}, {"text_a": CHINESE, "text_b": "鸟飞"}],
    "wet": [{"text_a": ENGLISH, "text_b": CHINESE}],
    "few": [ENGLISH, CHINESE],
    "alike": [{"text_a": ENGLISH, "text_b": CHINESE}],
    "rank": [{"text_a": ENGLISH, "text_b": CHINESE}],
    "lists": [{"text_a": ENGLISH, "choices": CHOICES}, {"text_a": CHINESE, "choices": CHOICES[:1]}],
    "writes": [{"text_a": ENGLISH}],
    "picks": [{"text_a": ENGLISH, "choices": CHOICES}, {"text_a": CHINESE, "choices": CHOICES[:2]}],
    "nested": [ENGLISH, CHINESE, {"text_a": CHINESE, "id": "嵌"}],
    "answers": [
        {"question": "who in the river", "context": f"{ENGLISH} . {ENGLISH}"},
        {"id": "q7", "question": "谁在河?", "context": f"{CHINESE}。{CHINESE}。"},
    ],
}


def train_all(folder: Path, *, steps: int = STEPS, seed: int = 3) -> Path:
    """Train a few steps of every task; returns the run."""
    rows = tiny.classification_rows(24, seed=seed)
    sets = [["|".join(sorted({label, text.split()[1]})), text] for label, text in rows]
    numbers = [[str(2.5 if label == "water" else -0.5), text, text] for label, text in rows]
    choices = [[str(int(label == "water")), text, "|".join(CHOICES[:2])] for label, text in rows]
    ordered = [[text, "|".join(CHOICES[:2]), "2|1" if label == "water" else "0|1"] for label, text in rows]
    files = {
        "sets": tiny.write_tsv(folder / "sets.tsv", ["label", "text_a"], sets),
        "wet": tiny.write_tsv(folder / "wet.tsv", ["label", "text_a", "text_b"], numbers),
        "few": tiny.write_tsv(folder / "few.tsv", ["label", "text_a"], rows),
        "alike": tiny.write_tsv(folder / "alike.tsv", ["text_a", "text_b"], [[text, "a cat"] for _, text in rows]),
        "picks": tiny.write_tsv(folder / "picks.tsv", ["label", "text_a", "choices"], choices),
        "lists": tiny.write_tsv(folder / "lists.tsv", ["text_a", "choices", "relevance"], ordered),
        "writes": tiny.write_tsv(folder / "writes.tsv", ["text_a", "target"], [[text, text] for _, text in rows]),
        "rank": tiny.write_tsv(
            folder / "rank.tsv", ["text_a", "text_b", "text_b_neg"], [[text, text, "a cat"] for _, text in rows]
        ),
    }
    nested = folder / "nested.jsonl"
    lines = [{"text": text, "label": [[0, len(text), label], [0, 3, "first"]]} for label, text in rows]
    nested.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    kinds: dict[str, dict[str, str]] = {
        "sets": {"reader": "cls", "paradigm": "multi_label", "label_kind": "several"},
        "wet": {"reader": "match", "paradigm": "regression", "label_kind": "number"},
        "few": {"reader": "embed", "paradigm": "embed"},
        "alike": {"reader": "embed_pairs", "paradigm": "embed_pairs"},
        "picks": {"reader": "choice", "paradigm": "choice"},
        "lists": {"reader": "rank", "paradigm": "rank"},
        "writes": {"reader": "seq2seq", "paradigm": "seq2seq"},
        "rank": {"reader": "pairwise_match", "paradigm": "pairwise_match"},
    }
    prompt: dict[str, Any] = {"reader": "prompt", "paradigm": "prompt", "label_words": {"water": "fish", "air": "鸟"}}
    prompt |= {"mix_ratio": 0.1, "target": False}
    tasks = {
        "prompted": {
            **tiny.classification_task(folder, "prompted"), **prompt, "verbalizer": "soft",
            "prompt": "{'soft': 'who', 'length': 3}{'text': 'text_a'}谁在{'mask'}",
        },
        "chosen": {
            **tiny.classification_task(folder, "chosen"), **prompt, "verbalizer": "none",
            "prompt": "{'options'}{'text': 'text_a'}",
        },
        "intent": tiny.classification_task(folder, "intent"),
        "slots": tiny.slot_task(folder, "slots"),
        "tags": {**tiny.slot_task(folder, "tags"), "head": "crf", "mix_ratio": 2.0},
        "trees": tiny.parse_task(folder, "trees"),
        "cloze": tiny.mlm_task(folder, "cloze"),
        "pairs": tiny.match_task(folder, "pairs"),
        "answers": tiny.mrc_task(folder, "answers"),
        "nested": {"reader": "spans", "paradigm": "spans", "train_file": str(nested), "target": False},
        **{name: {**keys, "train_file": files[name]} for name, keys in kinds.items()},
    }  # fmt: skip
    palm.Controller(tiny.config(folder, tasks, max_steps=steps), overrides=[]).train()
    return folder / "out"
