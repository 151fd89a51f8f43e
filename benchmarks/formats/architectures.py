"""Tries every architecture as a user does, from a small checkpoint: `python -m benchmarks.formats.architectures`.

Each checkpoint of `benchmarks/formats/checkpoints.py` is written into a folder of its own and goes through
`palm check`, `palm train` (two tasks), `palm pred` and `palm convert` there and back, each a process of its own. Then
tokens and hidden states of PALM are compared with those of transformers, on texts and on pairs.
"""

import argparse
import inspect
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import torch
import transformers
from tokenizers import Tokenizer as FastTokenizer

import palm
from benchmarks.formats.checkpoints import CHECKPOINTS, Checkpoint, write_checkpoint
from palm.engine.run import TrainingRun
from palm.pretrained.find import find_weights
from palm.pretrained.load import read_tensors
from palm.reader.loading import load_rows

LIMIT = 1e-5
STEPS = 6
ENGLISH = ["The red fish swims in the river.", "Who runs in the small house?", "the cat's café isn't in New York"]
CHINESE = ["红鱼在河里游，蓝鸟在天上飞。", "谁在大房子里跑？", "北京欢迎你"]
STAGES = ("check", "train", "pred", "convert", "convert back")


@dataclass(frozen=True)
class Tried:
    """What happened to a checkpoint.

    Attributes:
        made: The checkpoint.
        tokenizer: The file that describes its tokenizer.
        failed: The stage that failed; empty if all went well.
        message: What it said.
        difference: The largest difference of hidden states from those of transformers; None if it came not so far.
    """

    made: Checkpoint
    tokenizer: str
    failed: str = ""
    message: str = ""
    difference: float | None = None

    @property
    def as_expected(self) -> bool:
        """Whether everything ran, and computes what transformers computes."""
        return not self.failed and self.difference is not None and self.difference <= LIMIT


class _FailedError(Exception):
    """A stage and what it said."""


def try_checkpoint(made: Checkpoint, folder: Path) -> Tried:
    """Write the checkpoint into `folder`, and do with it what users do."""
    encoder = folder / "encoder"
    write_checkpoint(made, encoder)
    tokenizer = next(name for name in ("tokenizer.json", "vocab.txt", "spm.model") if (encoder / name).is_file())
    config = _configuration(made, folder)
    (folder / "config.yaml").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    try:
        _palm(folder, "check", "check", "config.yaml", "--data")
        _palm(folder, "train", "train", "config.yaml")
        first, second = _texts(made)[:2]
        _check_predictions(_palm(folder, "pred", "pred", "out/pairs", first, second))
        _palm(folder, "convert", "convert", "encoder", "converted")
        _palm(folder, "convert back", "convert", "converted", "again")
        _check_same_weights(encoder, folder / "again")
        _palm(folder, "convert the task", "convert", "out/reviews/infer_model", "task")
        return Tried(made, tokenizer, difference=_difference(folder / "encoder", config, _texts(made)))
    except _FailedError as error:
        stage, message = error.args
        return Tried(made, tokenizer, stage, message)


def _texts(made: Checkpoint) -> list[str]:
    return CHINESE + ENGLISH[:1] if made.chinese else ENGLISH + CHINESE[:1]


def _configuration(made: Checkpoint, folder: Path) -> dict[str, Any]:
    """The keys of a run over the encoder: a task on single texts, and one on pairs."""
    texts = _texts(made)
    rows = [(texts[number % 4], texts[(number + 1) % 4], number % 2) for number in range(24)]
    for name, columns in (("reviews", ("text_a", "label")), ("pairs", ("text_a", "text_b", "label"))):
        lines = [dict(zip(("text_a", "text_b", "label"), row, strict=True)) for row in rows]
        content = [json.dumps({key: line[key] for key in columns}, ensure_ascii=False) for line in lines]
        (folder / f"{name}.jsonl").write_text("\n".join(content) + "\n", encoding="utf-8")
    tasks = {
        name: {"reader": reader, "paradigm": reader, "train_file": f"{name}.jsonl", "dev_file": f"{name}.jsonl"}
        for name, reader in (("reviews", "cls"), ("pairs", "match"))
    }
    return {
        "tasks": tasks, "encoder": "./encoder", "max_seq_len": 48, "batch_size": 4, "max_steps": STEPS,
        "use_gpu": False, "save_path": "out",
    }  # fmt: skip


def _palm(folder: Path, stage: str, *words: str) -> str:
    """What `palm` prints, as a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "palm", *words], capture_output=True, text=True, cwd=folder, check=False
    )
    if ended.returncode or "Traceback" in ended.stderr:
        lines = ended.stderr.strip().splitlines() or ["no message"]
        raise _FailedError(stage, next((line for line in lines if "error" in line.lower()), lines[-1]))
    return ended.stdout


def _check_predictions(printed: str) -> None:
    found = json.loads(printed)
    if found["label"] not in ("0", "1"):
        raise _FailedError("pred", f"found {found}")


def _check_same_weights(encoder: Path, again: Path) -> None:
    """The way there and back loses no bit, and no key of config.json."""
    one, other = (read_tensors(find_weights(place)) for place in (encoder, again))
    different = [name for name, array in one.items() if name not in other or array.tobytes() != other[name].tobytes()]
    if different or one.keys() != other.keys():
        raise _FailedError("convert back", f"other weights: {', '.join(different[:3])}")
    if (encoder / "config.json").read_bytes() != (again / "config.json").read_bytes():
        raise _FailedError("convert back", "another config.json")


def _difference(encoder: Path, config: dict[str, Any], texts: Sequence[str]) -> float:
    """The largest difference of hidden states over texts and pairs, all of which get the same tokens."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModel.from_pretrained(encoder, attn_implementation="eager").eval()
    taken = inspect.signature(model.forward).parameters
    run = _untrained(encoder.parent, config)
    largest = 0.0
    for task in run.tasks:
        names = ("text_a", "text_b") if task.name == "pairs" else ("text_a",)
        rows = [dict(zip(names, pair, strict=False)) for pair in pairwise(texts)]
        batch = task.reader.collate(
            load_rows(task.reader, rows, "predict"), np.arange(len(rows)), np.random.default_rng(1)
        )
        theirs = _encoded(encoder, rows)
        real = theirs["attention_mask"] > 0
        if batch["token_ids"].shape != real.shape or (batch["token_ids"] != theirs["input_ids"])[real].any():
            raise _FailedError("tokens", f"`{task.name}`: found other tokens than transformers")
        with paddle.no_grad():
            ours = run.model.encode(batch, layer=-1, head=task.head)["encoder_outputs"].numpy()
        with torch.no_grad():
            inputs = {name: torch.tensor(array) for name, array in theirs.items() if name in taken}
            wanted = model(**inputs).last_hidden_state.numpy()
        largest = max(largest, float(np.abs(ours - wanted)[real].max()))
    return largest


def _encoded(encoder: Path, rows: Sequence[dict[str, str]]) -> dict[str, np.ndarray]:
    """The texts as the `tokenizers` library reads tokenizer.json, or else as transformers reads what is there."""
    # Not transformers for a tokenizer.json: since version 5 it replaces the file's own steps for some architectures.
    file = encoder / "tokenizer.json"
    made = transformers.AutoTokenizer.from_pretrained(encoder)
    tokenizer = FastTokenizer.from_file(str(file)) if file.is_file() else made.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    found = [tokenizer.encode(*row.values()) for row in rows]
    width = max(len(one.ids) for one in found)
    for one in found:
        one.pad(width, pad_id=made.pad_token_id, pad_token=made.pad_token)
    return {
        "input_ids": np.array([one.ids for one in found]),
        "attention_mask": np.array([one.attention_mask for one in found]),
        "token_type_ids": np.array([one.type_ids for one in found]),
    }


def _untrained(folder: Path, config: dict[str, Any]) -> TrainingRun:
    """A run before its first step, with dropout off."""
    paths = {"encoder": str(folder / "encoder"), "save_path": str(folder / "untrained")}
    tasks = {
        name: {**task, "train_file": str(folder / task["train_file"]), "dev_file": None}
        for name, task in config["tasks"].items()
    }
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        controller = palm.Controller({**config, **paths, "tasks": tasks}, overrides=[])
        controller.load_pretrain()
        run = controller._training_run()
    run.model.eval()
    return run


def markdown(tried: Sequence[Tried]) -> str:
    """The table of what ran."""
    lines = [
        "| checkpoint | model_type | weights | tokenizer | check, train, pred | convert both ways | difference |",
        "|---|---|---|---|---|---|---:|",
    ]
    for found in tried:
        made = found.made
        before = STAGES.index(found.failed) if found.failed in STAGES else len(STAGES)
        ran = "yes" if before > 2 else f"**{found.failed} failed**: {found.message}"
        converted = "the same bits" if not found.failed else f"**{found.failed} failed**: {found.message}"
        shown = f"{found.difference:.1e}" if found.difference is not None else ""
        weights = {"bin": "pytorch_model.bin", "old bin": "pytorch_model.bin (old)"}.get(made.weights, made.weights)
        cells = [f"`{made.name}`", str(made.config["model_type"]), weights, found.tokenizer, ran]
        lines.append(f"| {' | '.join([*cells, converted if before > 2 else '', shown])} |")
    good = sum(found.as_expected for found in tried)
    total = f"{len(tried)} checkpoints: {good} ran through and compute what transformers computes, within {LIMIT:g}"
    return "\n".join([*lines, "", f"{total}; {len(tried) - good} failed."])


def try_all(names: Sequence[str] = ()) -> list[Tried]:
    """Try all checkpoints, or those whose names contain one of `names`."""
    home = Path(tempfile.mkdtemp(prefix="palm-architectures-"))
    try:
        chosen = [made for made in CHECKPOINTS if not names or any(part in made.name for part in names)]
        return [try_checkpoint(made, home / str(number)) for number, made in enumerate(chosen)]
    finally:
        shutil.rmtree(home)


def main(words: Sequence[str] | None = None) -> int:
    """Try the checkpoints, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of checkpoints (default: all)")
    tried = try_all(parser.parse_args(words).names)
    sys.stdout.write(markdown(tried) + "\n")
    return int(not all(found.as_expected for found in tried))


if __name__ == "__main__":
    raise SystemExit(main())
