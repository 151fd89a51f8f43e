"""WNUT-17 with the settings of the encoder's folder against those set by hand: [UNK] share and dev metrics.

    python benchmarks/folder_settings.py --data DATA/wnut17 --model pretrain/minilm-l6-en [--rows 600]

One row of a table for each value of do_lower_case: not set (the folder's tokenizer_config.json decides), true, false.
The vocabulary of MiniLM is lower-case, so `false` is the mistake. Further flags are PALM's.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine_facts

SETTINGS = {"the folder's": None, "do_lower_case: true": True, "do_lower_case: false": False}
CONFIG = """
tasks:
  entities: {reader: seq_label, paradigm: seq_label, train_file: train.conll, dev_file: dev.conll}
on_unknown_label: count_as_wrong
backbone: bert
max_seq_len: 128
batch_size: 16
num_epochs: 1
learning_rate: 1e-4
warmup_proportion: 0.1
print_every_n_steps: 50
random_seed: 1
use_gpu: false
"""


def write_data(source: Path, folder: Path, rows: int | None) -> None:
    """The public train and dev files, or their first `rows` sentences."""
    for name, public in (("train.conll", "wnut17train.conll"), ("dev.conll", "emerging.dev.conll")):
        sentences: list[list[str]] = [[]]
        for line in (source / public).read_text(encoding="utf-8-sig").split("\n"):
            if line.strip():
                sentences[-1].append(line)
            elif sentences[-1]:
                sentences.append([])
        kept = [sentence for sentence in sentences if sentence][:rows]
        (folder / name).write_text("\n\n".join("\n".join(sentence) for sentence in kept) + "\n", encoding="utf-8")


def run(*words: str) -> str:
    """The output of a palm command.

    Raises:
        SystemExit: The command failed.
    """
    done = subprocess.run([sys.executable, "-m", "palm", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def unknown_share(report: str) -> str:
    """The share of [UNK] in train_file and dev_file, as `palm check --data` says it."""
    return ", ".join(line.split()[1] for line in report.splitlines() if line.strip().startswith("[UNK]"))


def measure(config: Path, flags: list[str], save_path: Path) -> dict[str, str]:
    """[UNK] share and the last dev metrics of one training."""
    flags = [*flags, f"--save_path={save_path}"]
    report = run("check", str(config), "--data", *flags)
    run("train", str(config), *flags)
    rows = [json.loads(line) for line in (save_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    dev = {name: value for row in rows for name, value in row.items() if name.endswith(("span_f1", "token_accuracy"))}
    scores = {name: f"{value:.4f}" for name, value in dev.items()}
    return {"[UNK] in train, dev": unknown_share(report), **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of WNUT-17's public files")
    parser.add_argument("--model", type=Path, required=True, help="folder of the pre-trained encoder")
    parser.add_argument("--rows", type=int, help="sentences of each file; all by default")
    args, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_data(args.data, work, args.rows)
        config = work / "config.yaml"
        config.write_text(CONFIG, encoding="utf-8")
        for name, value in SETTINGS.items():
            chosen = [] if value is None else [f"--do_lower_case={str(value).lower()}"]
            flags = [f"--pretrain_model_path={args.model.resolve()}", *chosen, *overrides]
            row = {"settings": name, **measure(config, flags, work / f"out{len(chosen)}{value}")}
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    facts = machine_facts(("paddlepaddle", "numpy", "tokenizers"))
    sys.stdout.write(json.dumps({"rows": args.rows, **facts}) + "\n")


if __name__ == "__main__":
    main()
