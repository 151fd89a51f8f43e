"""Prompts of every kind beside tagging, reading and plain classification in one mix, in English and in Chinese."""

from pathlib import Path
from typing import Any

from palm.inference.run_predictor import RunPredictor
from tests.integration import tiny
from tests.integration.all_heads import CHINESE, ENGLISH

PROMPTS = ("水", "soft", "masked", "prefix", "options", "several", "placed")
WORDS = {"water": "鱼", "air": ["鸟", "bird"]}


def tasks(folder: Path) -> dict[str, dict[str, Any]]:
    """Each verbalizer, a task `mlm` whose head one of them shares, and tasks without prompts."""

    def prompt(name: str, template: str, *, chinese: bool = True, **keys: Any) -> dict[str, Any]:
        task = tiny.classification_task(folder, name, 24, chinese=chinese)
        return {**task, "reader": "prompt", "paradigm": "prompt", "prompt": template, **keys}

    rows = tiny.classification_rows(24, seed=3)
    sets = [["|".join(sorted({label, text.split()[2]})), text] for label, text in rows]
    several = {"train_file": tiny.write_tsv(folder / "sets.tsv", ["label", "text_a"], sets), "label_kind": "several"}
    names = ["water", "air", "red", "green", "blue"]
    of_sets = {"label_words": dict(zip(names, ["fish", "bird", "red", "green", "blue"], strict=True))}
    return {
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
        "水": prompt("水", "{'text': 'text_a'},大{'mask'}。", label_words=WORDS, share_head_with="words"),
        "soft": prompt(
            "soft",
            "{'soft': '谁在', 'length': 3}{'text': 'text_a'}{'soft': None, 'encoder': 'mlp', 'hidden_size': 5}{'mask'}",
            verbalizer="soft", label_words=WORDS, encoder_hidden_size=6, ppt_learning_rate=0.01, sharing="adapter",
        ),
        "masked": prompt(
            "masked", "the {'text': 'text_a'} {'mask': None, 'length': 2}", chinese=False,
            verbalizer="masked", label_words={"water": "fish river", "air": "bird sky"},
        ),
        "prefix": prompt(
            "prefix", "{'prefix': '红', 'length': 4, 'hidden_size': 6}{'text': 'text_a'}{'mask'}", label_words=WORDS
        ),
        "options": prompt(
            "options", "{'options': None, 'add_prompt': '[OPT]?'}{'text': 'text_a'}", verbalizer="none",
            label_words={"water": "鱼", "air": "鸟"},
        ),
        "several": {**prompt("several", "{'text': 'text_a'} the {'mask'}", chinese=False), **several, **of_sets},
        "placed": prompt(
            "placed",
            "{'hard': '谁的', 'position': 30}{'sep': None, 'token_type': 1}{'text': 'text_a', 'position': 1}{'mask'}",
            label_words=WORDS, mask_aggregate_type="first", word_aggregate_type="max",
        ),
        "plain": tiny.classification_task(folder, "plain", 24, chinese=True),
        "slots": tiny.slot_task(folder, "slots"),
        "answer": tiny.mrc_task(folder, "answer", chinese=True),
    }  # fmt: skip


def config(folder: Path, **keys: Any) -> dict[str, Any]:
    """A run of all of them."""
    folder.mkdir(exist_ok=True)
    return tiny.config(folder, tasks(folder), **{"max_seq_len": 40, "max_steps": 24, "num_epochs": 9, **keys})


def rows_of(run: RunPredictor, name: str) -> list[dict[str, object]]:
    """Rows for the task `name`, of different lengths, one longer than max_seq_len."""
    texts = [*ENGLISH, *CHINESE]
    others = {"question": "谁在河?"}
    masked = "[MASK] " if name == "words" else ""
    return [{column: others.get(column, masked + text) for column in run.text_columns(name)} for text in texts]
