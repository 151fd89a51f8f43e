"""Encoders compared on three Chinese tasks: headlines (tnews), inference (ocnli), entities (cluener2020).

    python -m benchmarks.encoders --data DATA --models MODELS
    python -m benchmarks.encoders --data DATA --encoders multilingual-e5-small,hfl/rbt3 --rows 200 --seeds 1

One run of configs/methods/encoders.yaml per encoder and seed trains the three tasks together. DATA contains a folder
for each data set (named as by `palm download --data`), MODELS the encoders. Rows are sampled with seed 1. The table
goes into docs/results.md. Seeds alternate over the encoders. Finished runs are not repeated, so that a smaller --seeds
publishes what is there; other arguments (--num_epochs 2, --amp bf16) are passed on.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.machine import machine_facts
from benchmarks.methods import CONFIGS, DEV_ROWS, HEADING, PACKAGES, RESULTS, drawn, folder_of, palm
from benchmarks.speed.results import put_section, table
from examples.public_data import json_lines, label_last, tagged, write

ENCODERS = ("multilingual-e5-small", "me5-small-zh-char")
SCORES = {"tnews": "accuracy", "ocnli": "accuracy", "cluener": "span_f1"}
ROWS = 5000
TITLE = "Encoders for Chinese: multilingual E5 with its own vocabulary, and with one of characters"


def prepare(data: Path, out: Path, rows: int) -> None:
    """`rows` training rows of each task, and DEV_ROWS for evaluation."""
    out.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", rows), ("dev", DEV_ROWS)):
        headlines = list(label_last(folder_of(data, "tnews") / f"{split}.tsv"))
        write(out / f"tnews.{split}.tsv", ("label", "text_a"), drawn(headlines, count))
        name = {"train": "train.10k.json", "dev": "dev.json"}[split]
        agreed = [row for row in json_lines(folder_of(data, "ocnli") / name) if row["label"] != "-"]
        pairs = [(row["label"], row["sentence1"], row["sentence2"]) for row in agreed]
        write(out / f"ocnli.{split}.tsv", ("label", "text_a", "text_b"), drawn(pairs, count))
        name = {"train": "train.json", "dev": "test.json"}[split]
        news = [tagged(row) for row in json_lines(folder_of(data, "cluener2020") / name)]
        write(out / f"cluener.{split}.tsv", ("text_a", "label"), drawn(news, count))


def train(encoder: str, seed: int, work: Path, overrides: Sequence[str]) -> dict[str, float]:
    """The scores of one run, in percent, and its `minutes`; a finished run is read instead of repeated."""
    out = work / "out" / f"{Path(encoder).name}-{seed}"
    if not (out / "scores.json").is_file():
        started = time.perf_counter()
        words = [f"--encoder={encoder}", f"--random_seed={seed}", f"--save_path={out}", *overrides]
        palm("train", str(CONFIGS / "encoders.yaml"), *words, work=work)
        found = {**scores(out), "minutes": (time.perf_counter() - started) / 60}
        (out / "scores.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    return json.loads((out / "scores.json").read_text(encoding="utf-8"))


def train_all(places: Sequence[str], seeds: int, work: Path, overrides: Sequence[str]) -> dict[str, list[dict]]:
    """The runs of each encoder, one per seed; each seed trains every encoder before the next seed begins."""
    found: dict[str, list[dict]] = {place: [] for place in places}
    for seed in range(1, seeds + 1):
        for place, runs in found.items():
            runs.append(train(place, seed, work, overrides))
    return found


def precision(overrides: Sequence[str]) -> str:
    """What the layers compute in, from the arguments that are passed on."""
    words = [part for word in overrides for part in word.split("=", 1)]
    return words[words.index("--amp") + 1] if "--amp" in words else "float32"


def scores(out: Path) -> dict[str, float]:
    """The score of each task's exported model, in percent."""
    found: dict[str, float] = {}
    for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        score = SCORES.get(record.get("task"))
        if record["split"] != "train" and score in record:
            found[record["task"]] = 100 * record[score]
    return found


def rows_of(found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[tuple[str, ...]]:
    """A row for each encoder: mean and standard deviation of each score over the seeds."""
    return [
        (Path(encoder).name, *(spread([run[task] for run in runs]) for task in SCORES))
        for encoder, runs in found.items()
    ]


def spread(values: Sequence[float]) -> str:
    """`61.0 ± 0.4`, or the value alone."""
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def place_of(name: str, models: Path) -> str:
    """The encoder's folder in `models`, or the name as it is for the key `encoder`."""
    return str((models / name).resolve()) if (models / name / "config.json").is_file() else name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="folder of the data sets")
    parser.add_argument("--models", type=Path, default=Path("pretrain"), help="folder of the encoders")
    parser.add_argument("--encoders", default=",".join(ENCODERS), help="what the key `encoder` takes, with commas")
    parser.add_argument("--work", type=Path, help="folder for data and runs (default: output_model/methods/encoders)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=ROWS, help="training rows per task")
    parser.add_argument("--no_results", action="store_true", help="do not change docs/results.md")
    args, overrides = parser.parse_known_args()
    work = (args.work or CONFIGS.parents[1] / "output_model" / "methods" / "encoders").resolve()
    try:
        prepare(args.data, work / "data" / "encoders", args.rows)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise SystemExit(f"{args.data}: does not contain the public files ({error}).") from error
    places = [place_of(name.strip(), args.models) for name in args.encoders.split(",")]
    found = train_all(places, args.seeds, work, overrides)
    header = ("encoder", *(f"{task}, {score.replace('_', ' ')}" for task, score in SCORES.items()))
    body = table(header, rows_of(found))
    if not args.no_results:
        threads = os.environ.get("OMP_NUM_THREADS") or str(len(os.sched_getaffinity(0)))
        minutes = f"{sum(run['minutes'] for runs in found.values() for run in runs):.1f}"
        facts = {"seeds": str(args.seeds), "rows": str(args.rows), "precision": precision(overrides)}
        facts |= {"threads": threads, "minutes": minutes}
        listed = "; ".join(f"{key} {value}" for key, value in {**facts, **machine_facts(PACKAGES)}.items())
        own = " ".join(["python -m benchmarks.encoders --data DATA --models MODELS", *overrides])
        text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEADING
        parts = (f"## {TITLE}", f"```bash\n{own} --seeds {args.seeds} --rows {args.rows}\n```", listed, body)
        RESULTS.write_text(put_section(text, "encoders", "\n\n".join(parts)), encoding="utf-8")
    print(f"\n{body}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
