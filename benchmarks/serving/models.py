"""A run with one, two and six heads on one encoder, over ATIS: `palm train` writes its model."""

import csv
import subprocess
import sys
from pathlib import Path

import yaml

from benchmarks.speed.joint_lengths import EXAMPLE, palm_config
from benchmarks.speed.side_by_side import ROOT

ONE, TWO = ("intent",), ("intent", "slots")
SIX = (*TWO, "topics", "length", "first", "crf")
LENGTH = 64
STEPS = 120  # so many that tags are mostly right: decoding spans that no text has would be measured, too


def prepare(atis: Path, work: Path) -> Path:
    """Write the tables of all six tasks; returns the file with the texts to predict."""
    words = [sys.executable, str(EXAMPLE / "prepare.py"), "--data", str(atis), "--out", str(work)]
    subprocess.run(words, check=True, stdout=sys.stderr)
    for row_file, name, gold in (
        ("intent", "topics", _topics),
        ("intent", "length", _length),
        ("intent", "first", _first),
    ):
        with (work / f"{row_file}.train.tsv").open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE))
        lines = [f"{gold(row['label'], row['text_a'])}\t{row['text_a']}" for row in rows]
        (work / f"{name}.train.tsv").write_text("\n".join(["label\ttext_a", *lines]) + "\n", encoding="utf-8")
    return work / "intent.test.tsv"


def train_run(model: Path, work: Path) -> Path:
    """Train all six heads for a few steps; returns the run."""
    config = palm_config(model, work)
    more = {
        "topics": {"reader": "cls", "paradigm": "multi_label", "label_kind": "several"},
        "length": {"reader": "cls", "paradigm": "regression", "label_kind": "number"},
        "first": {"reader": "cls", "paradigm": "cls"},
        "crf": {"reader": "seq_label", "paradigm": "seq_label", "head": "crf"},
    }
    for name, keys in more.items():
        file = work / f"{'slots' if name == 'crf' else name}.train.tsv"
        config["tasks"][name] = {**keys, "train_file": str(file)}
    for name in TWO:  # by which int8 is measured
        config["tasks"][name] |= {"dev_file": str(work / f"{name}.dev.tsv"), "on_unknown_label": "count_as_wrong"}
    output = work / "run"
    file = work / "run.yaml"
    keys = {**config, "amp": "off", "max_steps": STEPS, "export": "last", "save_path": str(output)}
    file.write_text(yaml.safe_dump(keys), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "palm", "train", str(file)], check=True, stdout=sys.stderr, cwd=ROOT)
    return output


def _topics(label: str, text: str) -> str:
    return "|".join(sorted({label.split("#")[0], "long" if len(text) > LENGTH else "short"}))


def _length(label: str, text: str) -> str:
    del label
    return f"{len(text) / 100:.2f}"


def _first(label: str, text: str) -> str:
    del label
    return "wh" if text.lower().startswith("w") else "other"
