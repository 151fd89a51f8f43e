"""Quality in float32 and in bfloat16: ATIS (12 epochs) and SST-2 (20,000 rows, one epoch), several seeds of each.

    python -m benchmarks.precision --data DATA --model pretrain/minilm-l6-en --work output_model/precision

DATA contains the folders `atis` and `sst2` (or `sst2_full`). One seed is trained in float32 and then in bfloat16, each
by `palm train` of the data set's own configuration; scores are those of the exported models, ATIS's on test, SST-2's
on dev. Finished runs are read from WORK instead of repeated, so the command can be stopped and started again;
`--read_only` tabulates what there is. The table goes into RESULTS.md. Other arguments are passed on to `palm train`.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from benchmarks.machine import machine_facts
from benchmarks.methods import drawn, folder_of
from benchmarks.speed.results import RESULTS, Result, publish, table
from examples.atis import prepare as atis_tables
from examples.atis.score import read_predictions, read_table, score
from examples.public_data import label_last, write

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {"atis": ROOT / "examples/atis/config.yaml", "sst2": ROOT / "benchmarks/quality/sst2.yaml"}
PRECISIONS = {"float32": "off", "bf16": "bf16"}  # name in the table: value of the key `amp`
OVERRIDES = {"atis": (), "sst2": ("--tasks.sentiment.dev_file=dev.tsv",)}
SST2_ROWS = 20_000
PACKAGES = ("paddlepaddle", "numpy", "tokenizers")

Scores = Mapping[str, float]


def prepare(data: Path, work: Path) -> None:
    """Write the tables of both data sets, and their configurations beside them."""
    (work / "data").mkdir(parents=True, exist_ok=True)
    for split in atis_tables.SPLITS:
        atis_tables.prepare(data / "atis" / split, work / "data", split)
    for split, rows in (("train", SST2_ROWS), ("dev", None)):
        phrases = list(label_last(folder_of(data, "sst2") / f"sentiment-{split}"))
        kept = drawn(phrases, rows or len(phrases))
        write(work / f"{split}.tsv", ("label", "text_a"), (tuple(row) for row in kept))
    for name, config in CONFIGS.items():
        (work / f"{name}.yaml").write_text(config.read_text(encoding="utf-8"), encoding="utf-8")


def run(name: str, seed: int, precision: str, *, model: Path, work: Path, overrides: Sequence[str]) -> Scores:
    """Train and score one run, in percent; a finished run is read instead of repeated."""
    record = place_of(name, seed, precision, work)
    if record.is_file():
        return finished(record, overrides)
    out = work / "out" / record.stem
    shutil.rmtree(out, ignore_errors=True)  # of a run that was stopped
    words = [f"--random_seed={seed}", f"--amp={PRECISIONS[precision]}", f"--save_path={out}"]
    started = time.perf_counter()
    palm("train", f"{name}.yaml", f"--pretrain_model_path={model}", *words, *OVERRIDES[name], *overrides, work=work)
    seconds = time.perf_counter() - started
    scores = atis_scores(out, work) if name == "atis" else dev_scores(out, {"sentiment": "accuracy"})
    facts = {"seconds": round(seconds), **machine_facts(PACKAGES)}
    record.parent.mkdir(exist_ok=True)
    unfinished = record.with_suffix(".tmp")
    unfinished.write_text(
        json.dumps({"scores": scores, "overrides": list(overrides), **facts}) + "\n", encoding="utf-8"
    )
    unfinished.replace(record)
    shutil.rmtree(out)
    return scores


def finished(record: Path, overrides: Sequence[str]) -> Scores:
    """The scores of a finished run.

    Raises:
        SystemExit: It was trained with other overrides.
    """
    found = json.loads(record.read_text(encoding="utf-8"))
    if found["overrides"] != list(overrides):
        was = " ".join(found["overrides"]) or "none"
        raise SystemExit(f"{record}: a finished run had other overrides ({was}). Choose another --work, or delete it.")
    scores: Scores = found["scores"]
    return scores


def place_of(name: str, seed: int, precision: str, work: Path) -> Path:
    """Where the scores of a finished run are."""
    return work / "scores" / f"{name}-{seed}-{precision}.json"


def palm(*words: str, work: Path) -> None:
    """Run a palm command in `work`.

    Raises:
        SystemExit: It failed.
    """
    done = subprocess.run([sys.executable, "-m", "palm", *words], cwd=work, check=False, stdout=sys.stderr)
    if done.returncode:
        raise SystemExit(done.returncode)


def atis_scores(out: Path, work: Path) -> Scores:
    """Intent accuracy, slot F1 and sentence accuracy of the exported models on the test tables."""
    for task in ("intent", "slots"):
        words = [str(out / task), f"--file={work / 'data' / f'{task}.test.tsv'}", f"--output={out / task}"]
        palm("pred", *words, "--show=0", work=work)
    intents = [row["label"] for row in read_predictions(out / "intent" / "predictions.json")]
    tags = [row["labels"] for row in read_predictions(out / "slots" / "predictions.json")]
    gold_intents = [row[0] for row in read_table(work / "data" / "intent.test.tsv")]
    gold_tags = [row[1].split() for row in read_table(work / "data" / "slots.test.tsv")]
    found = score(intents, tags, gold_intents, gold_tags)
    return {what: found[what] for what in ("intent_accuracy", "slot_f1", "sentence_accuracy")}


def dev_scores(out: Path, wanted: Mapping[str, str]) -> Scores:
    """The metric `wanted` of each task at the last evaluation."""
    found: dict[str, float] = {}
    for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        metric = wanted.get(record.get("task"))
        if record["split"] != "train" and metric in record:
            found[f"{record['task']}_{metric}"] = round(100 * record[metric], 2)
    return found


def rows_of(found: Mapping[tuple[str, int, str], Scores]) -> list[tuple[str, ...]]:
    """A row for each metric: mean ± standard deviation of each precision, and their difference beside its noise.

    Seeds count that have run in both precisions.
    """
    rows = []
    for name in CONFIGS:
        seeds = [seed for data, seed, kind in found if data == name and kind == "bf16"]
        pairs = [(found[name, seed, "float32"], found[name, seed, "bf16"]) for seed in seeds]
        for metric in pairs[0][0] if pairs else ():
            values = [[pair[side][metric] for pair in pairs] for side in (0, 1)]
            what = f"{name}, {metric.replace('_', ' ')}"
            rows.append((what, str(len(seeds)), *map(spread, values), *verdict(*values)))
    return rows


def spread(values: Sequence[float]) -> str:
    """`61.03 ± 0.41`, or the value alone."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{mean(values):.2f}"


def verdict(one: Sequence[float], other: Sequence[float]) -> tuple[str, str, str]:
    """The difference of the means, twice its standard error over the seeds, and whether the latter is larger."""
    difference = mean(other) - mean(one)
    if len(one) < 2:
        return f"{difference:+.2f}", "–", "one seed"
    noise = 2 * math.sqrt((stdev(one) ** 2 + stdev(other) ** 2) / len(one))
    return f"{difference:+.2f}", f"{noise:.2f}", "yes" if abs(difference) <= noise else "**no**"


HEADER = ("metric, %", "seeds", *PRECISIONS, "difference", "noise", "within seed noise")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="folder of the data sets")
    parser.add_argument("--model", type=Path, default=ROOT / "pretrain/minilm-l6-en", help="folder of the encoder")
    parser.add_argument("--work", type=Path, default=ROOT / "output_model/precision", help="folder for data and runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--read_only", action="store_true", help="only tabulate the finished runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the markdown file to write")
    args, overrides = parser.parse_known_args()
    work = args.work.resolve()
    # A seed of both data sets before the next one, so that a stopped command leaves comparable pairs.
    plan = [
        (name, seed, kind) for seed in range(1, args.seeds + 1) for name in reversed(CONFIGS) for kind in PRECISIONS
    ]
    if not args.read_only:
        prepare(args.data, work)
    found: dict[tuple[str, int, str], Scores] = {}
    for number, key in enumerate(plan, 1):
        name, seed, kind = key
        if args.read_only and not place_of(name, seed, kind, work).is_file():
            continue
        _say(f"run {number} of {len(plan)}: {name}, seed {seed}, {kind}")
        found[key] = run(name, seed, kind, model=args.model.resolve(), work=work, overrides=overrides)
        _say(f"{name}, seed {seed}, {kind}: {found[key]}")
    rows = rows_of(found)
    facts = {**machine_facts(PACKAGES), "runs": f"{len(found)} of {len(plan)}"}
    note = "The noise is twice the standard error of the difference of the two means over the seeds."
    numbers = {f"{name}-{seed}-{kind}": dict(scores) for (name, seed, kind), scores in found.items()}
    title = "Quality in float32 and bfloat16"
    publish(Result("precision", title, facts, [table(HEADER, rows), note], [], numbers), args.results)
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
