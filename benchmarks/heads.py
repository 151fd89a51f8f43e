"""Each kind of head alone and in the mix: processor time of a step, memory, and what it learns in as many steps.

    python -m benchmarks.heads [--encoder pretrain/minilm-l6-en] [--steps 40] [--only intent,trees]

The tasks are those of configs/all_heads.yaml. Each is trained alone, in a process of its own; then all of them in joint
steps, of which each trains a batch of every task, so that a task has as many steps there as alone. What the head adds
is the difference to the same encoder and batches with the mean of the encoder's outputs as the loss, over the first
eight steps. Time is the median of the processor time of a step, which other processes lengthen less than the time on
the clock; memory is the peak of the process.

An encoder whose vocabulary lacks Chinese cannot write it: with --encoder, translation writes its own text again.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import yaml

import palm
from benchmarks.machine import machine_facts
from benchmarks.speed.results import table
from palm.engine.predict import evaluate_task
from palm.engine.run import TrainingRun
from palm.engine.train import train_steps
from palm.paradigm.base import PARADIGMS
from palm.runtime.paddle_import import import_paddle

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "all_heads.yaml"
RESULTS = Path(__file__).with_name("results") / "heads.json"
PACKAGES = ("paddlepaddle", "numpy", "tokenizers")
METRICS = {
    "intent": "accuracy", "is_answer": "accuracy", "topics": "micro_f1", "stars": "pearson", "best_review": "ndcg",
    "similar": "accuracy", "slots": "span_f1", "places": "span_f1", "trees": "las", "answer": "f1",
    "masked_words": "mlm_accuracy", "translation": "target_accuracy",
}  # fmt: skip
_MIX = "mix"
_WARM, _TIMED = 2, 8
"""Steps that are not timed, and the last one that is: of the same batches with the head and without."""
Measured = dict[str, Any]


def settings(task: str, encoder: Path | None, steps: int, folder: Path) -> dict[str, Any]:
    """The configuration of one task, or of all."""
    text = CONFIG.read_text(encoding="utf-8").replace("../data", f"{ROOT.as_posix()}/data")
    found: dict[str, Any] = yaml.safe_load(text)
    found |= {"backbone_config_path": str(CONFIG.with_name("tiny_bert.json"))}
    if encoder is not None:
        found["tasks"]["translation"]["columns"]["target"] = "en"
        for key in ("backbone_config_path", "vocab_path", "vocab_size"):
            del found[key]
        found |= {"pretrain_model_path": str(encoder.resolve()), "learning_rate": 4e-4}
    pooling = found.pop("pooling")
    for keys in found["tasks"].values():
        keys |= {"mix_ratio": 1.0}
        if "pooling" in PARADIGMS[keys["paradigm"]].Config.model_fields:
            keys |= {"pooling": pooling}
    if task != _MIX:
        found["tasks"] = {task: found["tasks"][task]}
    # Steps beyond those that a task promises, since the smallest have only one or two batches per epoch.
    found |= {"mode": "joint", "max_steps": steps, "num_epochs": 1000, "save_path": str(folder)}
    return found


def without_head(run: TrainingRun) -> None:
    """Let the loss of the only task be the mean of the encoder's outputs."""
    paradigm = run.tasks[0].paradigm

    def forward(_: object, layers: object, inputs: Mapping[str, Any], phase: object) -> dict[str, Any]:
        del layers, phase
        name = next(iter(paradigm.backbone_inputs()))
        return {"mean": inputs[name].astype("float32").mean()}

    def loss(_: object, outputs: Mapping[str, Any], inputs: object) -> object:
        del inputs
        return outputs["mean"]

    paradigm.forward = MethodType(forward, paradigm)  # type: ignore[method-assign]
    paradigm.loss = MethodType(loss, paradigm)  # type: ignore[method-assign]


def measure(task: str, encoder: Path | None, steps: int, *, has_head: bool) -> Measured:
    """Milliseconds of a step, peak memory in MB, and with the head the dev metric of each task, in this process."""
    import_paddle()
    with tempfile.TemporaryDirectory() as folder:
        run = palm.Controller(settings(task, encoder, steps, Path(folder)), overrides=[])._training_run()
        if not has_head:
            without_head(run)
        steps_timed = _step_seconds(run)
        seconds = list(islice(steps_timed, None if task == _MIX else _TIMED))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        deque(steps_timed, maxlen=0)  # the others
        scores = {each.name: evaluate_task(run.model, each)[METRICS[each.name]] for each in run.tasks if has_head}
    return {"ms": 1000 * float(np.median(seconds[_WARM:])), "mb": memory, "scores": scores}


def _step_seconds(run: TrainingRun) -> Iterator[float]:
    began = time.process_time()
    for _ in train_steps(run):
        yield time.process_time() - began
        began = time.process_time()


def measured_apart(task: str, args: argparse.Namespace, *, has_head: bool) -> Measured:
    """The same in a process of its own."""
    steps = args.steps if has_head else min(args.steps, _TIMED)
    words = [sys.executable, "-m", "benchmarks.heads", "--child", task, "--steps", str(steps)]
    words += ["--encoder", str(args.encoder)] if args.encoder else []
    words += [] if has_head else ["--without_head"]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: Measured = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(tasks: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each task."""
    return [
        (
            name,
            each["paradigm"],
            f"{each['ms']:.0f}",
            f"{each['ms'] - each['encoder_ms']:.0f}",
            f"{each['mb'] - each['encoder_mb']:.0f}",
            METRICS[name].replace("_", " "),
            f"{100 * each['alone']:.1f}",
            f"{100 * each['mix']:.1f}",
        )
        for name, each in tasks.items()
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the table, and keep it in benchmarks/results/heads.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, help="folder of a pre-trained encoder (default: a small random one)")
    parser.add_argument("--steps", type=int, default=40, help="steps of each task")
    parser.add_argument("--only", default="", help="tasks, with commas (default: all); the mix is always of all")
    parser.add_argument("--no_results", action="store_true", help="do not change benchmarks/results/heads.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--without_head", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.child:
        print(json.dumps(measure(args.child, args.encoder, args.steps, has_head=not args.without_head)))
        return 0
    kinds = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["tasks"]
    mix = measured_apart(_MIX, args, has_head=True)
    tasks: dict[str, Measured] = {}
    for name in args.only.split(",") if args.only else kinds:
        alone, encoder = (measured_apart(name, args, has_head=has_head) for has_head in (True, False))
        own = {"ms": alone["ms"], "mb": alone["mb"], "encoder_ms": encoder["ms"], "encoder_mb": encoder["mb"]}
        scores = {"alone": alone["scores"][name], "mix": mix["scores"][name]}
        tasks[name] = {"paradigm": kinds[name]["paradigm"], **own, **scores}
        print(name, json.dumps(tasks[name]), file=sys.stderr, flush=True)
    header = ("task", "paradigm", "ms per step", "of them head", "MB of the head", "metric", "alone", "in the mix")
    print(table(header, rows_of(tasks)))
    print(f"mix: {mix['ms']:.0f} ms per joint step, {mix['mb']:.0f} MB")
    if not args.no_results:
        facts = {"steps": args.steps, "threads": os.environ.get("OMP_NUM_THREADS", ""), **machine_facts(PACKAGES)}
        command = f"python -m benchmarks.heads --encoder {args.encoder} --steps {args.steps}"
        kept = {"command": command, **facts, "tasks": tasks, "mix": {"ms": mix["ms"], "mb": mix["mb"]}}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
