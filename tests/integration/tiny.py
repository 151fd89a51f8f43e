"""A run small enough for a test: a two-layer encoder 32 wide, a vocabulary of a few words, data written on the spot."""

import json
from pathlib import Path
from typing import Any

import numpy as np

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["red", "green", "blue", "fish", "bird", "cat", "swims", "flies", "runs", "the", "a", "who", "in", "on"]
WORDS += ["river", "sky", "house", "big", "small", "not"]
CHARACTERS = list("红绿蓝鱼鸟猫游飞跑河天房大小不谁在的。,?")
BACKBONE = {
    "vocab_size": len(SPECIAL) + len(WORDS) + len(CHARACTERS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
}


def clear_gradients(model: Any) -> None:
    """Remove the gradients; `Layer.clear_gradients` of Paddle 2.6 cannot, and leaves zeros."""
    for parameter in model.parameters():
        parameter.clear_gradient(False)


def write_vocab(folder: Path) -> str:
    file = folder / "vocab.txt"
    file.write_text("\n".join([*SPECIAL, *WORDS, *CHARACTERS]) + "\n", encoding="utf-8")
    return str(file)


def write_tsv(file: Path, header: list[str], rows: list[list[str]]) -> str:
    file.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")
    return str(file)


def classification_rows(count: int, *, seed: int, flip: bool = False, chinese: bool = False) -> list[list[str]]:
    """Sentences about fish (label water) and birds (label air); `flip` swaps the labels."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        wet = bool(generator.integers(2))
        animal = ("鱼" if wet else "鸟") if chinese else ("fish" if wet else "bird")
        colour = generator.choice(list("红绿蓝") if chinese else ["red", "green", "blue"])
        size = generator.choice(list("大小") if chinese else ["big", "small"])
        text = f"{size}{colour}{animal}在河" if chinese else f"the {size} {colour} {animal} in the house"
        rows.append(["water" if wet != flip else "air", text])
    return rows


def classification_task(folder: Path, name: str, count: int = 48, **data: Any) -> dict[str, Any]:
    train = write_tsv(folder / f"{name}.train.tsv", ["label", "text_a"], classification_rows(count, seed=1, **data))
    dev = write_tsv(folder / f"{name}.dev.tsv", ["label", "text_a"], classification_rows(16, seed=2, **data))
    return {"reader": "cls", "paradigm": "cls", "train_file": train, "dev_file": dev, "pred_file": dev}


def mlm_task(folder: Path, name: str) -> dict[str, Any]:
    rows = [[text] for _, text in classification_rows(40, seed=3)]
    return {"reader": "mlm", "paradigm": "mlm", "train_file": write_tsv(folder / f"{name}.tsv", ["text_a"], rows)}


def match_task(folder: Path, name: str) -> dict[str, Any]:
    rows = [[str(int(label == "air")), text, "the bird flies"] for label, text in classification_rows(24, seed=4)]
    file = write_tsv(folder / f"{name}.tsv", ["label", "text_a", "text_b"], rows)
    return {"reader": "match", "paradigm": "match", "train_file": file, "pred_file": file}


def slot_task(folder: Path, name: str) -> dict[str, Any]:
    rows = []
    for _, text in classification_rows(32, seed=5):
        words = text.split()
        tags = ["B-colour" if word in ("red", "green", "blue") else "O" for word in words]
        rows.append([text, " ".join(tags)])
    file = write_tsv(folder / f"{name}.tsv", ["text_a", "label"], rows)
    return {"reader": "seq_label", "paradigm": "seq_label", "train_file": file, "dev_file": file, "pred_file": file}


def parse_task(folder: Path, name: str, *, chinese: bool = False) -> dict[str, Any]:
    """Trees in which each word depends on the next one, colours as `amod`; characters are the words in Chinese."""
    lines = []
    for _, text in classification_rows(24, seed=8, chinese=chinese):
        words = [char for char in text if char != " "] if chinese else text.split()
        for number, word in enumerate(words, 1):
            head, relation = number + 1, "amod" if word in ("red", "green", "blue", *"红绿蓝") else "dep"
            if number == len(words):
                head, relation = 0, "root"
            lines.append("\t".join([str(number), word, "_", "_", "_", "_", str(head), relation, "_", "_"]))
        lines.append("")
    file = folder / f"{name}.conllu"
    file.write_text("\n".join(lines), encoding="utf-8")
    small = {"arc_size": 16, "relation_size": 8, "lr_scale": 1.0}  # the encoder is as new as the head
    return {"reader": "parse", "paradigm": "parse", "train_file": str(file), "dev_file": str(file), **small}


def mrc_task(folder: Path, name: str, *, chinese: bool = False) -> dict[str, Any]:
    paragraphs = []
    for number, (_, text) in enumerate(classification_rows(24, seed=6, chinese=chinese)):
        colour = next(word for word in (list("红绿蓝") if chinese else ["red", "green", "blue"]) if word in text)
        answer = {"text": colour, "answer_start": text.index(colour)}
        qa = {"id": f"{name}-{number}", "question": "谁在河?" if chinese else "who in the river", "answers": [answer]}
        paragraphs.append({"context": text, "qas": [qa]})
    file = folder / f"{name}.json"
    file.write_text(
        json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8"
    )
    return {
        "reader": "mrc", "paradigm": "mrc", "train_file": str(file), "dev_file": str(file), "pred_file": str(file),
        "max_query_len": 12, "doc_stride": 8, "max_answer_len": 4,
    }  # fmt: skip


def config(folder: Path, tasks: dict[str, dict[str, Any]], **keys: Any) -> dict[str, Any]:
    """A global configuration with inline tasks."""
    return {
        "tasks": tasks, "backbone": "bert", **BACKBONE, "vocab_path": write_vocab(folder), "do_lower_case": True,
        "save_path": str(folder / "out"), "max_seq_len": 24, "batch_size": 8, "learning_rate": 5e-3, "num_epochs": 2,
        "use_gpu": False, "print_every_n_steps": 1, "warmup_proportion": 0.0, "export": "last", "amp": "off",
        **keys,
    }  # fmt: skip


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "out" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def log_lines(folder: Path) -> list[str]:
    return (folder / "out" / "log.txt").read_text(encoding="utf-8").splitlines()


def translation_rows(count: int, *, seed: int) -> list[list[str]]:
    """English sentences, and the same in Chinese."""
    generator = np.random.default_rng(seed)
    words = {
        "size": {"big": "大", "small": "小"},
        "colour": {"red": "红", "green": "绿", "blue": "蓝"},
        "animal": {"fish": "鱼", "bird": "鸟", "cat": "猫"},
    }
    rows = []
    for _ in range(count):
        chosen = [str(generator.choice(list(group))) for group in words.values()]
        chinese = "".join(group[word] for group, word in zip(words.values(), chosen, strict=True))
        rows.append([f"the {' '.join(chosen)} in the house", f"{chinese}在河"])
    return rows


def translation_task(folder: Path, name: str, count: int = 64) -> dict[str, Any]:
    train = write_tsv(folder / f"{name}.train.tsv", ["text_a", "target"], translation_rows(count, seed=1))
    dev = write_tsv(folder / f"{name}.dev.tsv", ["text_a", "target"], translation_rows(16, seed=2))
    return {"reader": "seq2seq", "paradigm": "seq2seq", "train_file": train, "dev_file": dev, "pred_file": dev}
