"""B6: tokenising and batching only, their fraction of a training step, and a table of a million rows.

    python -m benchmarks.feeding --model pretrain/minilm-l6-en

Text is sampled from the vocabulary's words, 5 to 39 per row. A JSON line is printed after each part.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml

from benchmarks.machine import Facts, machine_facts
from benchmarks.speed.lineup import shell_without_tuning
from benchmarks.speed.results import RESULTS, Goal, Result, publish, table
from benchmarks.speed.side_by_side import ROOT
from benchmarks.speed.starting import forget_files, peak_memory, start
from palm.config.resolve import load_run_config
from palm.runtime.environment import prepare_runtime
from palm.training.tasks import build_tasks_of

SHARE_GOAL, FIRST_STEP_GOAL = 3.0, 15.0  # per cent, seconds
BATCH, CLASSES, SHORTEST, LONGEST = 32, 5, 5, 39
Metrics = dict[str, float]


def write_table(file: Path, vocab: Path, rows: int) -> None:
    """A table for the reader `cls`, written in parts."""
    words = [word for word in vocab.read_text(encoding="utf-8").split("\n") if word.isascii() and word.isalpha()]
    generator = np.random.default_rng(1)
    with file.open("w", encoding="utf-8") as stream:
        stream.write("label\ttext_a\n")
        for first in range(0, rows, 10_000):
            count = min(10_000, rows - first)
            lengths = generator.integers(SHORTEST, LONGEST + 1, size=count)
            draws = generator.integers(len(words), size=(count, LONGEST))
            texts = [
                " ".join(words[word] for word in draw[:length]) for draw, length in zip(draws, lengths, strict=True)
            ]
            stream.writelines(f"{row % CLASSES}\t{text}\n" for row, text in enumerate(texts))


def configuration(file: Path, model: Path, work: Path) -> dict[str, Any]:
    """One classification task on `file`."""
    return {
        "tasks": {"rows": {"reader": "cls", "paradigm": "cls", "train_file": str(file)}},
        "backbone": "bert", "pretrain_model_path": str(model), "do_lower_case": True, "batch_size": BATCH,
        "use_gpu": False, "save_path": str(work / "output_model"),
    }  # fmt: skip


def rates(seconds: float, rows: int, tokens: int) -> Metrics:
    """Seconds, and rows and tokens per second."""
    return {"seconds": seconds, "rows_per_second": rows / seconds, "tokens_per_second": tokens / seconds}


def feeding(file: Path, model: Path, work: Path, steps: int) -> dict[str, Metrics]:
    """Only tokenising, mapping and batching of `file`, and the waiting time of steps that train on it."""
    prepare_runtime()
    import palm  # noqa: PLC0415 (Paddle is set up before it is imported, and `loading` needs none)
    from palm.engine.train import train_steps  # noqa: PLC0415

    config = configuration(file, model, work)
    plan = load_run_config(config)
    found, shares = {}, {}
    for name, limit in (("tokenising, no cache", "0"), ("tokenising into the cache", "4G"), ("from the cache", "4G")):
        os.environ["PALM_CACHE_LIMIT"] = limit
        began = time.perf_counter()
        [[task]] = build_tasks_of([plan])
        taken = time.perf_counter() - began
        data = task.training_data
        tokens = len(data.ragged("token_ids").values)
        found[name] = rates(taken, data.num_examples, tokens)
    began = time.perf_counter()
    batches = task.steps_per_epoch
    for step in range(batches):
        task.batch_at(step)
    found["batching"] = rates(time.perf_counter() - began, batches * BATCH, tokens)
    controller = palm.Controller(config, overrides=[])
    controller.load_pretrain(model)
    run = controller._training_run()
    done = list(islice(train_steps(run), steps))[steps // 3 :]
    step = median(result.seconds for result in done)
    batching = found["batching"]["seconds"] / batches
    tokenising = found["tokenising, no cache"]["seconds"] / batches
    shares["step, seconds"] = step
    shares["waited"] = sum(result.data_wait for result in done) / sum(result.seconds for result in done)
    shares["batching"] = batching / step
    shares["tokenising every epoch and batching"] = (tokenising + batching) / step
    return {**found, "fraction of a step": shares}


def loading(file: Path, model: Path, environment: dict[str, str]) -> Metrics:
    """Seconds and peak memory of a process that only loads `file`, plans an epoch and creates a batch."""
    words = [sys.executable, "-m", "benchmarks.feeding", "--load", str(file), "--model", str(model)]
    said = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    figures: Metrics = json.loads(said.splitlines()[-1])
    return figures


def load(file: Path, model: Path) -> Metrics:
    """The process of `loading`."""
    plan = load_run_config(configuration(file, model, Path()))
    before = peak_memory(os.getpid())
    began = time.perf_counter()
    [[task]] = build_tasks_of([plan])
    task.batch_at(0)
    taken = time.perf_counter() - began
    peak = peak_memory(os.getpid())
    return {"seconds_to_first_batch": taken, "peak_megabytes": peak / 2**20, "megabytes_before": before / 2**20}


def many_rows(file: Path, model: Path, work: Path) -> dict[str, Metrics]:
    """First batch and first step of a large table: without a cache, into an empty one, and from it."""
    config = work / "many.yaml"
    config.write_text(yaml.safe_dump(configuration(file, model, work)), encoding="utf-8")
    cache = work / "many"
    environment = {**shell_without_tuning(), "PALM_CACHE": str(cache)}
    found = {"no cache": loading(file, model, {**environment, "PALM_CACHE_LIMIT": "0"})}
    found["into the cache"] = loading(file, model, environment)
    found["from the cache"] = loading(file, model, environment)
    found["palm train, from the cache"] = training(config, environment)
    forget_files([cache])
    found["palm train, from the cache on disk"] = training(config, environment)
    shutil.rmtree(cache)
    found["palm train, into the cache"] = training(config, environment)
    return found


def training(config: Path, environment: dict[str, str]) -> Metrics:
    """Seconds from the command to the first step, and peak memory until then."""
    began = start([str(config)], environment)
    return {"seconds_to_first_step": began.seconds, "peak_megabytes": began.peak_bytes / 2**20}


def say(part: str, figures: dict[str, Metrics], facts: Facts) -> None:
    """A JSON line for each entry."""
    for name, values in figures.items():
        rounded = {key: round(value, 4) for key, value in values.items()}
        print(json.dumps({"part": part, "what": name, **rounded, **facts}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "pretrain/minilm-l6-en", help="Hugging Face folder")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large table")
    parser.add_argument("--sample", type=int, default=50_000, help="rows of the table for only tokenising and batching")
    parser.add_argument("--steps", type=int, default=60, help="training steps, including a third for warm-up")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the markdown file to write")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    model = args.model.resolve()
    if args.load is not None:
        print(json.dumps(load(args.load, model)))
        return
    with tempfile.TemporaryDirectory() as folder:
        report(args, model, Path(folder))


def report(args: argparse.Namespace, model: Path, work: Path) -> None:
    """Measure everything, print it, and write the section."""
    facts = {**machine_facts(("paddlepaddle", "tokenizers", "numpy")), "rows": str(args.rows), "batch": str(BATCH)}
    os.environ["PALM_CACHE"] = str(work / "cache")
    write_table(work / "sample.tsv", model / "vocab.txt", args.sample)
    alone = feeding(work / "sample.tsv", model, work, args.steps)
    say("feeding", alone, facts)
    write_table(work / "many.tsv", model / "vocab.txt", args.rows)
    many = many_rows(work / "many.tsv", model, work)
    say("many rows", many, facts)
    shares = alone.pop("fraction of a step")
    warm = many["palm train, from the cache"]
    goals = [
        Goal(
            "tokenising and batching, % of a step",
            100 * shares["tokenising every epoch and batching"],
            SHARE_GOAL,
            at_most=True,
        ),
        Goal(
            "seconds to the first step, many rows, warm", warm["seconds_to_first_step"], FIRST_STEP_GOAL, at_most=True
        ),
    ]
    publish(
        Result("feeding", "B6: tokenising and batching", facts, tables(alone, shares, many), goals,
               {"alone": alone, "shares": shares, "many_rows": many}),
        args.results,
    )  # fmt: skip


def tables(alone: dict[str, Metrics], shares: Metrics, many: dict[str, Metrics]) -> list[str]:
    """The results as markdown."""
    speed = [
        [name, f"{one['seconds']:.2f}", f"{one['rows_per_second']:,.0f}", f"{one['tokens_per_second']:,.0f}"]
        for name, one in alone.items()
    ]
    parts = [[name, f"{100 * share:.2f} %"] for name, share in shares.items() if name != "step, seconds"]
    kinds = ("seconds_to_first_batch", "seconds_to_first_step", "peak_megabytes")
    large = [[name, *(f"{one[kind]:.1f}" if kind in one else "" for kind in kinds)] for name, one in many.items()]
    return [
        table(("alone", "seconds", "rows/s", "tokens/s"), speed),
        table((f"fraction of a step ({shares['step, seconds']:.3f} s)", ""), parts),
        table(("many rows", "seconds to the first batch", "seconds to the first step", "peak MB"), large),
    ]


if __name__ == "__main__":
    main()
