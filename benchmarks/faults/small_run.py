"""A run of three tasks on a small random encoder in a separate process, and the sha256 of all its results."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from palm.engine.checkpoint import newest_checkpoint
from tests.integration import tiny

ROOT = Path(__file__).resolve().parents[2]
TIMED = {"steps_per_second", "data_wait_fraction", "train_seconds"}
ENCODER = {"hidden_size": 64, "vocab_size": 4000, "intermediate_size": 128}


def write_config(folder: Path, **keys: object) -> Path:
    """Two targets that end at different steps and an auxiliary task; length buckets, EMA, updates of two batches."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {
        "water": {**tiny.classification_task(folder, "water", count=32), "mix_ratio": 1.0},
        "slots": {**tiny.slot_task(folder, "slots"), "mix_ratio": 0.5},
        "words": {**tiny.mlm_task(folder, "words"), "mix_ratio": 0.7, "target": False},
    }
    given = {"num_epochs": 4, "use_ema": True, "ema_decay": 0.9, "gradient_accumulation_steps": 2, **ENCODER, **keys}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(tiny.config(folder, tasks, **given)), encoding="utf-8")
    return file


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """`palm train` on the configuration of `folder`, in a fresh process on one thread."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "palm", "train", str(folder / "config.yaml"), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder: Path, *words: str) -> str:
    """Run it to its end; returns its output."""
    process = start(folder, *words)
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(said)
    return said


def fingerprint(folder: Path) -> dict[str, str]:
    """sha256 of the newest checkpoint's files, of the exported models, and of the metrics without times."""
    newest, complaints = newest_checkpoint(folder / "out" / "ckpt")
    if newest is None or complaints:
        raise RuntimeError(f"no valid newest checkpoint: {complaints}")
    files = [*newest.iterdir(), *(folder / "out").glob("*/infer_model/*")]
    found = {str(file.relative_to(folder)): sha256(file.read_bytes()) for file in files}
    lines = (folder / "out" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    metrics = [{key: value for key, value in json.loads(line).items() if key not in TIMED} for line in lines]
    return {**found, "metrics.jsonl": sha256(json.dumps(metrics).encode())}


def sha256(content: bytes) -> str:
    """Hexadecimal sha256 of `content`."""
    return hashlib.sha256(content).hexdigest()
