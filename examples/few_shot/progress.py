"""What train.py logs and keeps while it trains: lines as PaddleNLP's Trainer has them, and checkpoint-N folders."""

import argparse
import io
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from arguments import TASK, TrainingSize

MODEL = "infer_model"
"""Folder of an inference model in that of a task, as PALM writes it."""

_OWN_FORM = re.compile(
    rf"Global step: |{TASK}: evaluation at global step |{TASK}: inference model saved at .*\.step\d+$"
)
"""Lines of PALM that are logged in another form."""

_ROLES = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}

log = logging.getLogger("few_shot")


def start_log() -> None:
    """Log to stdout, from the first process alone."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("[%(asctime)s] [%(levelname)8s] - %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.INFO if is_first() else logging.ERROR)


def is_first() -> bool:
    """Whether this is the process that writes files."""
    return os.environ.get("PADDLE_TRAINER_ID", "0") == "0"


class TrainingLog:
    """Logs the records of a run, and keeps them for trainer_state.json.

    Args:
        args: The arguments.
        size: How long the run is.
        evaluated: Texts of dev.txt.
    """

    def __init__(self, args: argparse.Namespace, size: TrainingSize, evaluated: int) -> None:
        self._args, self._size, self._evaluated = args, size, evaluated
        self.history: list[dict[str, object]] = []
        self.step = self.first = 0
        newest = checkpoints(Path(args.output_dir))[-1:] if args.resume_from_checkpoint else []
        if newest and (newest[0] / "trainer_state.json").is_file():
            state = json.loads((newest[0] / "trainer_state.json").read_text(encoding="utf-8"))
            self.history, self.step, self.first = state["log_history"], state["global_step"], state["global_step"]

    def __call__(self, record: Mapping[str, object]) -> None:
        """Take a line of metrics.jsonl."""
        if record["split"] not in ("train", "dev"):
            return
        batches = int(str(record["global_step"]))
        self.step = batches // self._args.gradient_accumulation_steps
        regular = batches % (self._args.logging_steps * self._args.gradient_accumulation_steps) == 0
        if record["split"] == "dev" or regular or self._args.logging_first_step:
            entry = self._training(record) if record["split"] == "train" else self._evaluation(record)
            entry["epoch"] = self.epoch(self.step)
            log.info(", ".join(f"{name}: {value}" for name, value in entry.items()))
            self.history.append({**entry, "step": self.step})

    def epoch(self, step: int) -> float:
        """Passes over train.txt after an update."""
        return round(step * self._args.gradient_accumulation_steps / self._size.batches, 4)

    def _training(self, record: Mapping[str, object]) -> dict[str, object]:
        own = {"loss": record["loss"], "learning_rate": record["learning_rate"], "global_step": self.step}
        return {**own, "interval_steps_per_second": record["steps_per_second"]}

    def _evaluation(self, record: Mapping[str, object]) -> dict[str, object]:
        values = {
            name: value for name, value in record.items() if name not in ("split", "global_step", "task", "seconds")
        }
        found: dict[str, object] = {f"eval_{name}": value for name, value in values.items()}
        return found | speed("eval", float(str(record["seconds"])), self._evaluated, self._args)

    def state(self) -> dict[str, object]:
        """The content of trainer_state.json."""
        metric = self._args.metric_for_best_model
        name = f"eval_{metric.removeprefix('eval_')}" if metric else None
        scored = [(entry[name], entry["step"]) for entry in self.history if name in entry]
        best = min(scored, default=None) if name == "eval_loss" else max(scored, default=None)
        return {
            "global_step": self.step,
            "max_steps": self._size.updates,
            "epoch": self.epoch(self.step),
            "num_train_epochs": self._size.epochs,
            "best_metric": best[0] if best else None,
            "best_step": best[1] if best else None,
            "log_history": self.history,
        }


def speed(split: str, seconds: float, examples: int, args: argparse.Namespace) -> dict[str, object]:
    """Time and speed of an evaluation."""
    steps = -(-examples // args.per_device_eval_batch_size)
    return {
        f"{split}_runtime": round(seconds, 4),
        f"{split}_samples_per_second": round(examples / max(seconds, 1e-9), 3),
        f"{split}_steps_per_second": round(steps / max(seconds, 1e-9), 3),
    }


class CheckpointFolders:
    """Makes checkpoint-N folders of the models that a run exports at save_steps.

    Args:
        args: The arguments.
        progress: The log of the run.
    """

    def __init__(self, args: argparse.Namespace, progress: TrainingLog) -> None:
        self._args, self._progress = args, progress
        self._home = Path(args.output_dir)

    def collect(self) -> None:
        """Move each complete model to its place, with what other programs look for beside it."""
        for source in sorted((self._home / TASK).glob(f"{MODEL}.step*")):
            step = int(source.name.rpartition("step")[2]) // self._args.gradient_accumulation_steps
            shown, target = os.path.join(self._args.output_dir, f"checkpoint-{step}"), self._home / f"checkpoint-{step}"
            log.info("Saving model checkpoint to %s", shown)
            describe_model(source)
            write_json(source / "trainer_state.json", self._progress.state())
            shutil.rmtree(target, ignore_errors=True)
            source.rename(target)
            for name, what in (("tokenizer_config", "tokenizer config"), ("special_tokens_map", "Special tokens")):
                log.info("%s file saved in %s", what, os.path.join(shown, f"{name}.json"))
            self._prune()

    def _prune(self) -> None:
        limit = self._args.save_total_limit
        for old in checkpoints(self._home)[: -max(limit, 1)] if limit else ():
            log.info("Deleting older checkpoint [%s] due to save_total_limit", old.name)
            shutil.rmtree(old)

    def clear(self) -> None:
        """Remove those of an earlier run, or move them to earlier/."""
        old = checkpoints(self._home)
        if not old:
            return
        if self._args.overwrite_output_dir:
            for folder in old:
                shutil.rmtree(folder)
            log.info("Removed the checkpoints of an earlier run: %s", ", ".join(folder.name for folder in old))
            return
        number = 1
        while (self._home / "earlier" / f"checkpoints-{number}").exists():
            number += 1
        target = self._home / "earlier" / f"checkpoints-{number}"
        target.mkdir(parents=True)
        for folder in old:
            folder.rename(target / folder.name)
        log.info("An earlier run's %s moved to %s", ", ".join(folder.name for folder in old), target.as_posix())


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoint-N folders that train.py has written, in the order of their steps."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    own = [path for path in found if (path / "manifest.json").is_file() and not path.is_symlink()]
    return sorted(own, key=lambda path: int(path.name.rpartition("-")[2]))


def describe_model(folder: Path) -> None:
    """Write template, label words and special tokens of a model for people and other programs.

    PALM itself reads config.json alone.
    """
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = content.get("tasks", {}).get(TASK, content)  # a run's model has all tasks
    reader, words = config["reader"]["config"], config["label_words"]
    names = ("prompt", "prompt_kind", "soft_encoder", "encoder_hidden_size", "max_seq_len", "truncate_mode")
    write_json(folder / "template_config.json", {name: reader[name] for name in names})
    own = {"verbalizer": config["paradigm"]["config"]["verbalizer"], "label_kind": reader["label_kind"]}
    pairs = zip(config["labels"], words or [[label] for label in config["labels"]], strict=True)
    write_json(folder / "verbalizer_config.json", {**own, "label_words": dict(pairs)})
    write_json(folder / "special_tokens_map.json", _special_tokens(folder))


def _special_tokens(folder: Path) -> dict[str, str]:
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    vocabulary = folder / "vocab.txt"
    tokens = set(vocabulary.read_text(encoding="utf-8").splitlines()) if vocabulary.is_file() else set()
    found = {role: config.get(role, usual if usual in tokens else None) for role, usual in _ROLES.items()}
    return {role: token for role, token in found.items() if isinstance(token, str)}


def write_json(file: Path, content: object) -> None:
    """Write `content` as JSON."""
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


class PalmLines(io.TextIOBase):
    """Stands for stdout while PALM trains: passes its lines on to the log, but for those that have another form here.

    Args:
        folders: Moves finished checkpoints after each line.
    """

    def __init__(self, folders: CheckpointFolders) -> None:
        self._folders, self._rest = folders, ""

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, text: str) -> int:
        """Take text, of which whole lines are logged."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip() and not _OWN_FORM.match(line):
                log.info(line)
            self._folders.collect()
        return len(text)


def log_metrics(split: str, metrics: Mapping[str, object], folder: Path) -> None:
    """Print metrics as a table, and write `<split>_results.json` and `all_results.json`."""
    if not is_first():
        return
    shown = {name: _shown(name, value) for name, value in metrics.items()}
    names, values = max(map(len, shown)), max(map(len, shown.values()))
    rows = [f"  {name:<{names}} = {shown[name]:>{values}}" for name in sorted(shown)]
    sys.stdout.write("\n".join([f"***** {split} metrics *****", *rows]) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{split}_results.json", metrics)
    every = folder / "all_results.json"
    before = json.loads(every.read_text(encoding="utf-8")) if every.is_file() else {}
    write_json(every, {**before, **metrics})


def _shown(name: str, value: object) -> str:
    if name.endswith("_runtime"):
        seconds = float(str(value))
        whole = time.strftime("%M:%S", time.gmtime(seconds % 3600))
        return f"{int(seconds // 3600)}:{whole}.{int(seconds * 100) % 100:02d}"
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
