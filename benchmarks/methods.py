"""Methods of multi-task learning on public data, each with one command.

    python -m benchmarks.methods clue --data DATA --models MODELS
    python -m benchmarks.methods rte  --data DATA --models MODELS
    python -m benchmarks.methods mix
    python -m benchmarks.methods atis --data DATA --models MODELS

DATA contains a folder for each data set (named as by `palm download --data`), MODELS one for each encoder. Rows are
sampled with seed 1. `palm compare` runs configs/methods/NAME.yaml; its table goes into docs/results.md with command,
date, processor, versions and seeds. Finished runs are not repeated; other arguments (--num_epochs 2) are passed on.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine_facts
from benchmarks.speed.results import put_section, table
from examples.public_data import SETS, json_lines, label_last, lines, write
from examples.public_data import table as tsv

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs" / "methods"
RESULTS = ROOT / "docs" / "results.md"
PACKAGES = ("paddlepaddle", "numpy", "tokenizers")
SEED = 1
DEV_ROWS = 500
MIX_SIZES = (240, 160, 120, 80, 40, 24)
MIX_STEPS = 400
# Folders under the name of `palm download --data`, and under other common ones.
FOLDERS = {"rte": ("rte", "glue_rte"), "sst2": ("sst2", "sst2_full")}
# A file with the name of a task would be read as that task.
FILES = {"rte": "glue_rte.yaml"}
ENCODERS = {"clue": "me5-small-zh-char", "rte": "minilm-l6-en", "atis": "minilm-l6-en"}
TITLES = {
    "clue": "The CLUE trio: alone, hard, shared-private, uncertainty, PCGrad",
    "rte": "RTE with and without MRPC and SST-2",
    "mix": "Six tasks with every sampler: expected and observed rates",
    "atis": "ATIS: alternating batches and joint steps",
}
SEEDS = {"clue": 1, "rte": 3, "mix": 1, "atis": 1}
ROWS = {"clue": 2000, "rte": 10_000, "mix": 0, "atis": 4478}

Row = Sequence[str]


def clue(data: Path, out: Path, rows: int) -> None:
    """`rows` training rows of tnews, ocnli and the emotions, and DEV_ROWS of each for evaluation."""
    tnews = folder_of(data, "tnews")
    for split, count in (("train", rows), ("dev", DEV_ROWS)):
        headlines = list(label_last(tnews / f"{split}.tsv"))
        write(out / f"tnews.{split}.tsv", ("label", "text_a"), drawn(headlines, count))
    ocnli, emotion = folder_of(data, "ocnli"), folder_of(data, "cluemotion2020")
    for split, name, count in (("train", "train.10k.json", rows), ("dev", "dev.json", DEV_ROWS)):
        agreed = [row for row in json_lines(ocnli / name) if row["label"] != "-"]
        pairs = [(row["label"], row["sentence1"], row["sentence2"]) for row in agreed]
        write(out / f"ocnli.{split}.tsv", ("label", "text_a", "text_b"), drawn(pairs, count))
    for split, name, count in (("train", "valid.txt", rows), ("dev", "test.txt", DEV_ROWS)):
        posts = [(row["label"], " ".join(row["content"].split())) for row in json_lines(emotion / name)]
        write(out / f"emotion.{split}.tsv", ("label", "text_a"), drawn(posts, count))


def rte(data: Path, out: Path, rows: int) -> None:
    """All of RTE and MRPC, and `rows` phrases of SST-2."""
    header = ("label", "text_a", "text_b")
    for split in ("train", "dev"):
        found = [line.split("\t") for line in lines(folder_of(data, "rte") / f"{split}.tsv")[1:]]
        write(out / f"rte.{split}.tsv", header, ((row[3], row[1], row[2]) for row in found))
    pairs = tsv(folder_of(data, "mrpc") / "msr_paraphrase_train.txt")
    write(out / "mrpc.train.tsv", header, ((row[0], row[3], row[4]) for row in pairs))
    phrases = list(label_last(folder_of(data, "sst2") / "sentiment-train"))
    write(out / "sst2.train.tsv", ("label", "text_a"), drawn(phrases, rows))


def mix(data: Path, out: Path, rows: int) -> None:
    """Six training files of MIX_SIZES rows from PALM's sample data."""
    del data, rows
    sample = ROOT / "data" / "travel" / "en" / "answer_kind"
    found = list(tsv(sample / "train.tsv"))
    for number, size in enumerate(MIX_SIZES, 1):
        write(out / f"cls{number}.train.tsv", ("label", "text_a"), drawn(found, size))
    (out / "dev.tsv").write_bytes((sample / "dev.tsv").read_bytes())


def atis(data: Path, out: Path, rows: int) -> None:
    """Both tables, row by row the same questions; the first `rows` of them in training."""
    SETS["atis"](folder_of(data, "atis"), out)
    for name in ("intent", "slots"):
        file = out / f"{name}.train.tsv"
        kept = file.read_text(encoding="utf-8").splitlines(keepends=True)[: rows + 1]
        file.write_text("".join(kept), encoding="utf-8")


PREPARE = {function.__name__: function for function in (clue, rte, mix, atis)}


def folder_of(data: Path, name: str) -> Path:
    """The folder of a data set."""
    return next((data / other for other in FOLDERS.get(name, ()) if (data / other).is_dir()), data / name)


def drawn(rows: Sequence[Row], count: int) -> list[Row]:
    """`count` of the rows, sampled with SEED; all rows if there are fewer."""
    return random.Random(SEED).sample(rows, min(count, len(rows)))


def compare(name: str, work: Path, overrides: Sequence[str], seeds: int) -> str:
    """Run `palm compare`; returns its table and remarks."""
    variants = CONFIGS / "variants" / f"{name}.yaml"
    words = [
        str(CONFIGS / FILES.get(name, f"{name}.yaml")),
        f"--seeds={seeds}",
        f"--name={BASES.get(name, 'together')}",
    ]
    words += [f"--variants={variants}"] if variants.is_file() else []
    palm("compare", *words, *overrides, work=work)
    report = (work / "out" / "compare.md").read_text(encoding="utf-8")
    return report.partition("\n\n")[2].partition("\n\n")[2].strip()  # without heading and command


BASES = {"clue": "hard", "atis": "alternating"}


def samplers(work: Path, overrides: Sequence[str]) -> str:
    """Train once with every sampler; the expected and the observed sampling rate of each task."""
    from palm.balancing.sampling import SAMPLERS  # noqa: PLC0415 (sets the environment up)

    names = [f"cls{number}" for number in range(1, len(MIX_SIZES) + 1)]
    rows = []
    for sampler in SAMPLERS:
        out = f"--save_path={work / 'out' / sampler}"
        palm(
            "train",
            str(CONFIGS / "mix.yaml"),
            f"--sampling={sampler}",
            f"--max_steps={MIX_STEPS}",
            out,
            *overrides,
            work=work,
        )
        text = (work / "out" / sampler / "metrics.jsonl").read_text(encoding="utf-8")
        steps = Counter(line["task"] for line in map(json.loads, text.splitlines()) if line["split"] == "train")
        observed = [steps[name] / steps.total() for name in names]
        expected = expected_rates(sampler)
        if expected is None:
            rows.append((sampler, "expected", *("varies" for _ in names), ""))
        else:
            rows.append((sampler, "expected", *(f"{rate:.3f}" for rate in expected), ""))
        deviation = (
            "" if expected is None else f"{max(abs(a - b) for a, b in zip(observed, expected, strict=True)):.3f}"
        )
        rows.append((sampler, "observed", *(f"{rate:.3f}" for rate in observed), deviation))
    note = f"{MIX_STEPS} steps each, batches of 8 from files of {', '.join(map(str, MIX_SIZES))} rows; mix_ratio "
    note += f"{', '.join(f'{ratio:g}' for ratio in MIX_RATIOS)}. The last column is the largest deviation of a rate. "
    sampling_error = (0.3 * 0.7 / MIX_STEPS) ** 0.5
    note += f"The rate of {MIX_STEPS} independent samples with probability 0.3 has a standard deviation of "
    note += f"{sampling_error:.3f}."
    return table(("sampler", "rate", *names, "deviation"), rows) + "\n\n" + note


MIX_RATIOS = (1.0, 1.0, 0.5, 0.5, 2.0, 1.0)


def expected_rates(sampler: str) -> list[float] | None:
    """The rates documented in docs/methods.md, computed independently; None for a sampler that depends on the run."""
    sizes = [ratio * (rows // 8) for ratio, rows in zip(MIX_RATIOS, MIX_SIZES, strict=True)]
    course = {
        "mix_ratio": [MIX_RATIOS],
        "exact": [sizes],
        "proportional": [sizes],
        "temperature": [[size**0.5 for size in sizes]],
        "annealed": [[size ** (1 - 0.8 * step / (MIX_STEPS - 1)) for size in sizes] for step in range(MIX_STEPS)],
    }.get(sampler)
    if course is None:
        return None
    rates = [[weight / sum(weights) for weight in weights] for weights in course]
    return [sum(column) / len(rates) for column in zip(*rates, strict=True)]


def palm(*words: str, work: Path) -> None:
    """Run a palm command in `work`, the first search path of the configuration's data."""
    done = subprocess.run([sys.executable, "-m", "palm", *words], cwd=work, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def encoder(models: Path, name: str) -> Path:
    """The encoder's folder in `models`, or `models` if it is one."""
    place = models if (models / "config.json").is_file() else models / ENCODERS[name]
    if not (place / "config.json").is_file():
        raise SystemExit(f"--models: must be the folder of an encoder, or contain {ENCODERS[name]}. Found {models}.")
    return place.resolve()


def publish(name: str, body: str, facts: dict[str, str], command: str) -> None:
    """Rewrite the section of docs/results.md."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEADING
    listed = "; ".join(f"{key} {value}" for key, value in facts.items())
    parts = (f"## {TITLES[name]}", f"```bash\n{command}\n```", listed, body)
    RESULTS.write_text(put_section(text, name, "\n\n".join(parts)), encoding="utf-8")


HEADING = """# Results of the methods

Each section is rewritten by the command in it; [Methods](methods.md) describes how `palm compare` works.
DATA contains the data sets as downloaded by `palm download --data`, MODELS the encoders. The subsets are small and the
seeds few: compare each Δ with its noise.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PREPARE)
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="folder of the data sets")
    parser.add_argument("--models", type=Path, default=Path("pretrain"), help="folder of the encoders, or an encoder")
    parser.add_argument("--work", type=Path, help="folder for data and runs (default: output_model/methods/NAME)")
    parser.add_argument("--seeds", type=int, help="seeds (default: 3 for rte, else 1)")
    parser.add_argument("--rows", type=int, help="training rows per task (clue, atis), or of SST-2 (rte)")
    parser.add_argument("--prepare_only", action="store_true", help="write WORK/data/NAME and stop")
    parser.add_argument("--no_results", action="store_true", help="do not change docs/results.md")
    args, overrides = parser.parse_known_args()
    rows, seeds = args.rows or ROWS[args.name], args.seeds or SEEDS[args.name]
    work = (args.work or ROOT / "output_model" / "methods" / args.name).resolve()
    out = work / "data" / args.name
    out.mkdir(parents=True, exist_ok=True)
    try:
        PREPARE[args.name](args.data, out, rows)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise SystemExit(f"{args.data}: does not contain the public files of {args.name} ({error}).") from error
    if args.prepare_only:
        return 0
    started = time.perf_counter()
    if args.name == "mix":
        body = samplers(work, overrides)
    else:
        words = [f"--pretrain_model_path={encoder(args.models, args.name)}", f"--save_path={work / 'out'}", *overrides]
        body = compare(args.name, work, words, seeds)
    threads = os.environ.get("OMP_NUM_THREADS") or str(len(os.sched_getaffinity(0)))
    minutes = f"{(time.perf_counter() - started) / 60:.1f}"
    facts = {"seeds": str(seeds), "rows": str(rows), "threads": threads, "minutes": minutes}
    places = "" if args.name == "mix" else " --data DATA --models MODELS"
    own = "".join(f" --{key} {value}" for key, value in (("seeds", args.seeds), ("rows", args.rows)) if value)
    command = " ".join([f"python -m benchmarks.methods {args.name}{places}{own}", *overrides])
    if not args.no_results:
        publish(args.name, body, {**facts, **machine_facts(PACKAGES)}, command)
    print(f"\n{body}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
