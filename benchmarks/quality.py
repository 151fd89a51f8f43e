"""Quality on public data sets, each with one command: prepare, `palm train`, `palm eval`.

    python benchmarks/quality.py sst2 --data DATA/sst2_full --model pretrain/minilm-l6-en

The last line is JSON: metrics (fractions of 1), seconds, date, CPU and versions.
Settings are in benchmarks/quality/*.yaml; seed 1.
ATIS has its own example: examples/atis.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine_facts

HERE = Path(__file__).parent


def sst2(data: Path, work: Path) -> None:
    """`text<TAB>label`, no header; a sample of 20,000 training rows sampled with seed 1."""
    write_two_columns(data / "sentiment-train", work / "train.tsv", rows=20_000)
    write_two_columns(data / "sentiment-dev", work / "dev.tsv")


def tnews(data: Path, work: Path) -> None:
    """`text<TAB>label`, no header; a sample of 10,000 training rows sampled with seed 1."""
    write_two_columns(data / "train.tsv", work / "train.tsv", rows=10_000)
    write_two_columns(data / "dev.tsv", work / "dev.tsv")


def policyqa(data: Path, work: Path) -> None:
    """Unchanged SQuAD json: training on the public dev file, evaluation on the test file."""
    (work / "train.json").write_bytes((data / "dev.json").read_bytes())
    (work / "dev.json").write_bytes((data / "test.json").read_bytes())


def write_two_columns(source: Path, target: Path, rows: int | None = None) -> None:
    """Turn `text<TAB>label` lines into PALM's tsv with a header, sampled to `rows` lines with seed 1."""
    lines = [line for line in source.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    if rows is not None:
        lines = random.Random(1).sample(lines, rows)
    pairs = [line.rsplit("\t", 1) for line in lines]
    body = "".join(f"{label.strip()}\t{text.strip()}\n" for text, label in pairs)
    target.write_text("label\ttext_a\n" + body, encoding="utf-8")


def palm(*words: str) -> str:
    """Run a palm command, showing its output; returns the last line."""
    last = ""
    with subprocess.Popen([sys.executable, "-m", "palm", *words], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line
    if process.returncode:
        raise SystemExit(process.returncode)
    return last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("sst2", "policyqa", "tnews"))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set's public files")
    parser.add_argument("--model", type=Path, required=True, help="folder of the pre-trained encoder")
    args, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        globals()[args.name](args.data, work)
        config = work / "config.yaml"
        config.write_text((HERE / "quality" / f"{args.name}.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        common = [
            str(config),
            f"--pretrain_model_path={args.model.resolve()}",
            f"--save_path={work / 'out'}",
            *overrides,
        ]
        started = time.perf_counter()
        palm("train", *common)
        seconds = time.perf_counter() - started
        measured = next(work.glob("dev.*"))
        metrics = json.loads(palm("eval", common[0], f"--file={measured}", *common[1:]))
    facts = {
        "data": args.name,
        "train_seconds": round(seconds),
        **machine_facts(("paddlepaddle", "numpy", "tokenizers")),
    }
    sys.stdout.write(json.dumps({**metrics, **facts}) + "\n")


if __name__ == "__main__":
    main()
