"""WNUT-17 with the settings of the encoder's folder against those set by hand: [UNK] share and dev metrics.

    python -m benchmarks.folder_settings --data DATA/wnut17 --model pretrain/minilm-l6-en
    python -m benchmarks.folder_settings --data DATA/wnut17 --model pretrain/minilm-l6-en --rows 600 --seeds 1

One row of a table for each value of do_lower_case: not set (the folder's tokenizer_config.json decides), true, false.
The vocabulary of MiniLM is lower-case, so `false` is the mistake. Values that mean the same tokenizer share a row,
since they train the same model. The table goes into docs/results.md. Finished runs are not repeated; other arguments
(--num_epochs 2) are passed on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.encoders import precision, spread
from benchmarks.machine import machine_facts
from benchmarks.methods import HEADING, PACKAGES, RESULTS, ROOT
from benchmarks.speed.results import put_section, table
from palm.data.tokenizer import Tokenizer

SETTINGS = {"the folder's": None, "do_lower_case: true": True, "do_lower_case: false": False}
SCORES = ("span_f1", "token_accuracy")
TITLE = "WNUT-17: the settings of the encoder's folder, and settings by hand"
CONFIG = """
tasks:
  entities: {reader: seq_label, paradigm: seq_label, train_file: train.conll, dev_file: dev.conll}
on_unknown_label: count_as_wrong
backbone: bert
max_seq_len: 128
batch_size: 16
num_epochs: 3
learning_rate: 1e-4
warmup_proportion: 0.1
eval_every_n_steps: 0
print_every_n_steps: 50
use_gpu: false
"""


def write_data(source: Path, folder: Path, rows: int | None) -> None:
    """The public train and dev files, or their first `rows` sentences, and the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, public in (("train.conll", "wnut17train.conll"), ("dev.conll", "emerging.dev.conll")):
        sentences: list[list[str]] = [[]]
        for line in (source / public).read_text(encoding="utf-8-sig").split("\n"):
            if line.strip():
                sentences[-1].append(line)
            elif sentences[-1]:
                sentences.append([])
        kept = [sentence for sentence in sentences if sentence][:rows]
        (folder / name).write_text("\n\n".join("\n".join(sentence) for sentence in kept) + "\n", encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")


def same_tokenizer(model: Path) -> dict[str, bool | None]:
    """A value of do_lower_case for each tokenizer, by the names of all settings that mean it."""
    found: dict[str, tuple[list[str], bool | None]] = {}
    for name, value in SETTINGS.items():
        names, _ = found.setdefault(Tokenizer.from_folder(model, do_lower_case=value).fingerprint, ([], value))
        names.append(name)
    return {", and ".join(names): value for names, value in found.values()}


def run(*words: str) -> str:
    """The output of a palm command.

    Raises:
        SystemExit: The command failed.
    """
    done = subprocess.run([sys.executable, "-m", "palm", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def unknown_shares(report: str) -> list[str]:
    """The shares of [UNK] in train_file and dev_file, as `palm check --data` says them."""
    return [line.split()[1] for line in report.splitlines() if line.strip().startswith("[UNK]")]


def train(config: Path, flags: Sequence[str], out: Path) -> dict[str, float]:
    """The last dev metrics of one run, in percent, and its `minutes`; a finished run is read instead of repeated."""
    scores = out / "scores.json"
    if not scores.is_file():
        started = time.perf_counter()
        run("train", str(config), *flags, f"--save_path={out}")
        records = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        found = {name: 100 * record[name] for record in records for name in SCORES if name in record}
        found["minutes"] = (time.perf_counter() - started) / 60
        scores.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return json.loads(scores.read_text(encoding="utf-8"))


def measure(work: Path, model: Path, seeds: int, overrides: Sequence[str]) -> tuple[list[tuple[str, ...]], float]:
    """A row for each tokenizer, and the minutes of all runs; each seed trains all before the next seed begins."""
    config, settings = work / "config.yaml", same_tokenizer(model)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in settings}
    flags = {
        name: [
            f"--pretrain_model_path={model.resolve()}",
            *([] if value is None else [f"--do_lower_case={str(value).lower()}"]),
            *overrides,
        ]
        for name, value in settings.items()
    }
    for seed in range(1, seeds + 1):
        for number, name in enumerate(settings):
            out = work / f"out{number}-{seed}"
            runs[name].append(train(config, [*flags[name], f"--random_seed={seed}"], out))
    rows = []
    for name, found in runs.items():
        shares = unknown_shares(run("check", str(config), "--data", *flags[name], f"--save_path={work / 'checked'}"))
        rows.append((name, *shares, *(spread([one[score] for one in found]) for score in SCORES)))
    return rows, sum(one["minutes"] for found in runs.values() for one in found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of WNUT-17's public files")
    parser.add_argument("--model", type=Path, required=True, help="folder of the pre-trained encoder")
    parser.add_argument("--work", type=Path, help="folder for data and runs (default: output_model/folder_settings)")
    parser.add_argument("--rows", type=int, help="sentences of each file; all by default")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--no_results", action="store_true", help="do not change docs/results.md")
    args, overrides = parser.parse_known_args()
    work = (args.work or ROOT / "output_model" / "folder_settings").resolve()
    write_data(args.data, work, args.rows)
    rows, minutes = measure(work, args.model, args.seeds, overrides)
    body = table(("settings", "[UNK] in train", "[UNK] in dev", "dev span f1", "dev token accuracy"), rows)
    if not args.no_results:
        threads = os.environ.get("OMP_NUM_THREADS") or str(len(os.sched_getaffinity(0)))
        facts = {"encoder": args.model.name, "seeds": str(args.seeds), "rows": str(args.rows or "all")}
        facts |= {"precision": precision(overrides), "threads": threads, "minutes": f"{minutes:.1f}"}
        listed = "; ".join(f"{key} {value}" for key, value in {**facts, **machine_facts(PACKAGES)}.items())
        own = [f"--seeds {args.seeds}", *([f"--rows {args.rows}"] if args.rows else []), *overrides]
        command = f"python -m benchmarks.folder_settings --data DATA/wnut17 --model MODELS/{args.model.name}"
        text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEADING
        parts = (f"## {TITLE}", f"```bash\n{' '.join([command, *own])}\n```", listed, body)
        RESULTS.write_text(put_section(text, "folder_settings", "\n\n".join(parts)), encoding="utf-8")
    print(f"\n{body}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
