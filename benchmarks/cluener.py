"""CLUENER: entities by tags with a CRF, and by scores of spans, with the same rows, steps and seeds.

    python -m benchmarks.cluener --data DIR --encoder FOLDER

DIR contains train.json and test.json (the labelled dev rows) of cluener2020. Each run is `palm train` for a number of
epochs that is set beforehand, with nothing selected on dev rows, and `palm pred` of these. One function scores the
predictions of all heads: an entity is right if its type and both its ends are. Spans that cross another one cannot be
tags; the run with a CRF leaves them out in training, and they count in the dev rows.
"""

import argparse
import json
import os
import random
import resource
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.few_shot import RESULTS, palm
from benchmarks.machine import machine_facts

_PACKAGES = ("paddlepaddle", "numpy", "tokenizers")
_FILE = RESULTS / "cluener.json"

Entity = tuple[str, int, int]
"""Type, first character, and the character after the last."""

HEADS: Mapping[str, Mapping[str, Any]] = {
    "`seq_label`, `head: crf`": {"reader": "seq_label", "paradigm": "seq_label", "head": "crf", "tag_scheme": "bio"},
    "`spans`, `global_pointer`": {"reader": "spans", "paradigm": "spans", "span_scorer": "global_pointer"},
    "`spans`, `biaffine`": {"reader": "spans", "paradigm": "spans", "span_scorer": "biaffine"},
}
KEYS: Mapping[str, Any] = {
    "for_cn": True, "max_seq_len": 64, "drop_last": False, "optimizer": "adamw",
    "learning_rate": 2e-4, "lr_scale": 5, "warmup_ratio": 0.1, "weight_decay": 0.01, "print_every_n_steps": 50,
    "use_gpu": False,
}  # fmt: skip


def gold_entities(row: Mapping[str, Any]) -> set[Entity]:
    """The entities of a row of CLUENER, whose ends are last characters."""
    found = row["label"].items()
    return {(kind, start, end + 1) for kind, texts in found for ends in texts.values() for start, end in ends}


def predicted_entities(row: Mapping[str, Any]) -> set[Entity]:
    """The entities of a prediction of either paradigm."""
    ends = ("start_char", "end_char") if "words" in row else ("start", "end")
    return {(span["type"], span[ends[0]], span[ends[1]]) for span in row["spans"]}


def scores(gold: Sequence[set[Entity]], predicted: Sequence[set[Entity]]) -> dict[str, Any]:
    """F1 of each type, their mean, and micro precision, recall and F1."""
    wanted, found, right = (
        Counter(kind for entities in texts for kind, _, _ in entities)
        for texts in (gold, predicted, [one & other for one, other in zip(gold, predicted, strict=True)])
    )
    by_type = {kind: 2 * right[kind] / (wanted[kind] + found[kind]) for kind in sorted(wanted | found)}
    return {
        "macro_f1": statistics.mean(by_type[kind] for kind in wanted),
        "micro_f1": 2 * right.total() / max(wanted.total() + found.total(), 1),
        "precision": right.total() / max(found.total(), 1),
        "recall": right.total() / max(wanted.total(), 1),
        "f1_of_types": by_type,
    }


def run(head: str, seed: int, files: Sequence[Path], options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Train and predict once.

    Args:
        head: A key of HEADS.
        seed: The seed.
        files: Training rows and dev rows.
        options: The command's.
        work: An empty folder.
    """
    task = {**HEADS[head], "train_file": str(files[0]), "on_bad_span": "drop"}
    source = "pretrain_model_path" if Path(options.encoder).is_dir() else "encoder"
    whole = {**chosen_keys(options), **KEYS, source: options.encoder, "num_epochs": options.epochs, "random_seed": seed}
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump({**whole, "save_path": str(work / "out"), "tasks": {"entities": task}}))
    before = processor_seconds()
    palm("train", str(config))
    trained = processor_seconds()
    palm("pred", str(work / "out" / "entities"), "--file", str(files[1]), "--output", str(work))
    predicted = [predicted_entities(row) for row in json_lines(work / "predictions.json")]
    return {
        "head": head,
        "seed": seed,
        "minutes": (trained - before) / 60,
        "prediction_minutes": (processor_seconds() - trained) / 60,
        **scores([gold_entities(row) for row in json_lines(files[1])], predicted),
    }


def chosen_keys(options: argparse.Namespace) -> dict[str, Any]:
    """The keys for --batch_size, --layer and --freeze_layers; by default the whole encoder is trained."""
    found: dict[str, Any] = {"batch_size": options.batch_size}
    found |= {} if options.layer is None else {"layer": options.layer}
    frozen = {"freeze_layers": options.freeze_layers, "freeze_embeddings": True}
    return found if options.freeze_layers is None else {**found, **frozen}


def processor_seconds() -> float:
    """Processor time of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def json_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def sampled(options: argparse.Namespace, work: Path) -> list[Path]:
    """Files of the training rows, sampled with seed 1 if --rows says so, and of the dev rows."""
    files = []
    for name in ("train", "test"):
        lines = (options.data / f"{name}.json").read_text(encoding="utf-8").splitlines()
        lines = random.Random(1).sample(lines, min(options.rows or len(lines), len(lines)))
        files.append(work / f"{name}.json")
        files[-1].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return files


def lines_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The table: mean and, of several seeds, standard deviation of each head's runs."""
    names = ("macro_f1", "micro_f1", "precision", "recall")
    yield "| head | macro F1 | micro F1 | precision | recall | processor minutes of training | seeds |"
    yield "|---|---|---|---|---|---|---|"
    for head in HEADS:
        runs = [row for row in rows if row["head"] == head]
        if runs:
            cells = [_spread([100 * each[name] for each in runs]) for name in names]
            cells.append(_spread([each["minutes"] for each in runs]))
            yield f"| {head} | {' | '.join(cells)} | {len(runs)} |"


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def write_results(found: Mapping[str, Any], options: argparse.Namespace, file: Path) -> list[Mapping[str, Any]]:
    """Write a run with its settings in place of an earlier one of the same; returns all runs with these settings."""
    own = {"epochs": options.epochs, "rows": options.rows, "encoder": Path(options.encoder).name}
    settings = {**chosen_keys(options), **KEYS, **own}
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    run = found["head"], found["seed"], settings
    kept = [row for row in known if (row["head"], row["seed"], row["settings"]) != run]
    rows = [*kept, {**found, "settings": settings}]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [row for row in rows if row["settings"] == settings]


def main() -> int:
    """Print the table, and write every run as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of cluener2020")
    parser.add_argument("--encoder", required=True, help="name or folder of the encoder")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--layer", type=int, help="the layer after which the heads stand, from 0 (default: the last)")
    parser.add_argument("--freeze_layers", type=int, help="lowest layers that are not trained, nor embeddings")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1], help="which seeds (default: 1)")
    parser.add_argument("--rows", type=int, help="only so many rows of each file, sampled with seed 1")
    parser.add_argument("--results", type=Path, default=_FILE, help="the file of results")
    options = parser.parse_args()
    rows: list[Mapping[str, Any]] = []
    for seed in options.seeds:
        for head in HEADS:
            with tempfile.TemporaryDirectory() as folder:
                found = run(head, seed, sampled(options, Path(folder)), options, Path(folder))
            threads = os.environ.get("OMP_NUM_THREADS", "all")
            machine = {**machine_facts(_PACKAGES), "threads": threads}
            rows = write_results({**found, "machine": machine}, options, options.results)
            print(f"{head}, seed {seed}: macro F1 {100 * found['macro_f1']:.1f}", flush=True)
    print("\n".join(lines_of(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
