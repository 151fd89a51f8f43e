"""Parse a treebank by PALM, and by MaChAmp with the same encoder, epochs, batch size and learning rate.

    python -m benchmarks.parsing --data TREEBANK --encoder FOLDER --scorer conll18_ud_eval.py
    python -m benchmarks.parsing --data TREEBANK --encoder FOLDER --machamp CHECKOUT --machamp-python PYTHON

TREEBANK is a folder of Universal Dependencies with a train, a dev and a test file. Each program trains on trees alone
and on the four tasks of the file, keeps the epoch that is best on dev, and annotates dev and test from gold words. The
official script of the CoNLL 2018 shared task scores both. Minutes are processor time.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_facts, versions_in
from benchmarks.parsing.systems import ROOT, Machamp, Palm, Settings, System
from benchmarks.parsing.treebank import Treebank, prepared, scores

RESULTS = ROOT / "benchmarks" / "results" / "parsing.json"
_PACKAGES = ("paddlepaddle", "numpy", "tokenizers")
_PEER_PACKAGES = ("torch", "transformers")
_METRICS = ("UAS", "LAS", "UPOS", "UFeats", "Lemmas")


def measured(
    system: System, treebank: Treebank, tasks: Sequence[str], settings: Settings, work: Path, script: Path
) -> dict[str, Any]:
    """One training with its scores.

    Args:
        system: The program.
        treebank: The data.
        tasks: What it learns.
        settings: Settings of the training.
        work: Where it happens.
        script: The official scorer.
    """
    work.mkdir()
    row: dict[str, Any] = {"treebank": treebank.name, "system": system.name, "tasks": list(tasks)}
    row["minutes"] = {"train": system.train(treebank, tasks, settings, work)}
    for part in ("dev", "test"):
        output = work / f"{part}.conllu"
        row["minutes"][part] = system.annotate(work, treebank.files[part], output)
        row[part] = scores(script, treebank.files[part], output, tuple(tasks))
    return row


def lines_of(row: Mapping[str, Any]) -> list[str]:
    """Rows of the table: dev and test."""
    mix = "alone" if len(row["tasks"]) == 1 else f"{len(row['tasks'])} tasks"
    return [
        f"| {row['treebank']}, {part} | {row['system']}, {mix} | "
        + " | ".join(f"{row[part][metric]:.2f}" if metric in row[part] else "–" for metric in _METRICS)
        + f" | {row['minutes']['train']:.1f} | {row['minutes'][part]:.1f} |"
        for part in ("dev", "test")
    ]


def write_results(row: Mapping[str, Any]) -> None:
    """Put a row beside those that are there, in the place of an earlier one with the same settings."""
    earlier = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    same = ("treebank", "system", "tasks", "settings")
    kept = [other for other in earlier if any(other[key] != row[key] for key in same)]
    RESULTS.write_text(json.dumps([*kept, row], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    """Print the table, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a train, a dev and a test file")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of the encoder")
    parser.add_argument("--scorer", type=Path, help="conll18_ud_eval.py; by default that of MaChAmp")
    parser.add_argument("--machamp", type=Path, help="a checkout of MaChAmp 0.4")
    parser.add_argument("--machamp-python", type=Path, help="the interpreter of its environment")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument(
        "--learning_rate", type=float, default=1e-4, help="that of MaChAmp's parameters (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=("PALM", "MaChAmp"), help="only these programs")
    parser.add_argument("--mixes", nargs="*", choices=("trees", "all"), default=("trees", "all"))
    parser.add_argument("--limit", type=int, help="sentences of each file, to try the command")
    parser.add_argument(
        "--keys", nargs=argparse.REMAINDER, default=[], help="further keys of PALM, such as --lr_scale 2"
    )
    options = parser.parse_args()
    script = options.scorer or (options.machamp and options.machamp / "scripts" / "misc" / "conll18_ud_eval.py")
    if not script:
        parser.error("--scorer or --machamp is needed: the script conll18_ud_eval.py scores.")
    compare(options, script.resolve())
    return 0


def compare(options: argparse.Namespace, script: Path) -> None:
    """Train everything, one after the other."""
    settings = Settings(options.encoder.resolve(), options.epochs, options.learning_rate, seed=options.seed)
    found: list[System] = [Palm(options.keys)]
    if options.machamp:
        # No resolve(): an environment's interpreter is a link.
        found.append(Machamp(options.machamp.resolve(), options.machamp_python.absolute()))
    chosen = [system for system in found if options.only is None or system.name in options.only]
    written = {**vars(settings), "encoder": settings.encoder.name, "limit": options.limit, "keys": options.keys}
    print(f"| treebank | system | {' | '.join(_METRICS)} | minutes of training | minutes of the file |")
    print(f"|---|---|{'---|' * len(_METRICS)}---|---|")
    with tempfile.TemporaryDirectory() as folder:
        treebank = prepared(options.data, Path(folder), options.limit)
        for mix in options.mixes:
            tasks = ("trees",) if mix == "trees" else treebank.tasks
            for system in chosen:
                work = Path(folder) / f"{system.name}-{mix}"
                row = measured(system, treebank, tasks, settings, work, script)
                machine = machine_facts(_PACKAGES)
                if system.name != "PALM":
                    machine |= versions_in(options.machamp_python, _PEER_PACKAGES)
                write_results({**row, "settings": written, "machine": machine})
                print("\n".join(lines_of(row)), flush=True)
    print(json.dumps(machine_facts(_PACKAGES)))


if __name__ == "__main__":
    sys.exit(main())
