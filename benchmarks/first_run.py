"""`palm demo` with several seeds: how many of its 15 predictions are right, the whole test files, and what it costs.

    python -m benchmarks.first_run                              seeds 1 to 5 in English and Chinese
    python -m benchmarks.first_run --languages zh --seeds 2 --instructions avx2
    python -m benchmarks.first_run --zh_encoder DIR             an encoder that is downloaded already

Each run is a process of its own in an empty folder, one after the other. Processor seconds are those of the process
from start to end, in user and system mode; minutes on the clock say something only where nothing else computes, so
the load is written beside them. Every finished run is kept in benchmarks/results/first_run.json, replaces an earlier
one of the same language, instructions and seed, and goes into the table of docs/benchmarks.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_facts
from benchmarks.speed.results import put_section, table

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "results" / "first_run.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("paddlepaddle", "numpy", "tokenizers")
MODULES = {"avx2": "benchmarks.avx2", "own": "palm"}
ENCODERS = {"en": "minilm-l6-en", "zh": "multilingual-e5-small"}
TEST_FILES = {"intent": "intent/test.tsv", "slots": "slots/test.tsv", "answer": "mrc/test.json"}
# The share of rows that are right as a whole.
METRICS = {"intent": "accuracy", "slots": "sentence_accuracy", "answer": "exact_match"}
HEADER = ("language", "seed", "computed in", "of 15", *METRICS, "processor seconds", "minutes, threads, load", "date")

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", nargs="+", choices=ENCODERS, default=list(ENCODERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--instructions", choices=MODULES, default="own")
    for language in ENCODERS:
        parser.add_argument(f"--{language}_encoder", help="a folder instead of the demo's own encoder")
    args = parser.parse_args()
    for language in args.languages:
        encoder = getattr(args, f"{language}_encoder")
        for seed in args.seeds:
            keep(measure(language, seed, args.instructions, encoder))


def measure(language: str, seed: int, instructions: str, encoder: str | None) -> Row:
    """One run in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", MODULES[instructions], "demo", f"--random_seed={seed}"]
        words += ["--zh"] if language == "zh" else []
        words += [f"--encoder={Path(encoder).resolve()}"] if encoder else []
        load, begin, used = os.getloadavg()[0], time.monotonic(), processor_seconds()
        subprocess.run(words, cwd=folder, env=environment(), check=True, stdout=subprocess.PIPE)
        seconds, used = time.monotonic() - begin, processor_seconds() - used
        return {
            "language": language,
            "seed": seed,
            "computed in": computed_in(instructions),
            **scores(Path(folder) / "palm-demo"),
            "processor seconds": round(used),
            "minutes": round(seconds / 60, 1),
            "threads": os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count()),
            "load": round(load, 1),
            **machine_facts(PACKAGES),
        }


def environment() -> dict[str, str]:
    """Where this clone's PALM is found from an empty folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def processor_seconds() -> float:
    """Those of finished child processes and of what these have waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def computed_in(instructions: str) -> str:
    """The instruction set of PALM's kernels in a run."""
    words = [sys.executable, "-m", MODULES[instructions], "--version", "--json"]
    done = subprocess.run(words, env=environment(), check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout)["kernels"]["instruction_set"])


def scores(demo: Path) -> Row:
    """Right ones of the shown rows, and percent right of each whole test file, by the model in `demo`."""
    import palm  # noqa: PLC0415 (with Paddle; a process that only starts others needs none)
    from palm.cli.demo import predictions  # noqa: PLC0415

    model = palm.load(demo / "output_model", tasks=list(TEST_FILES))
    found = {task: model[task].evaluate(demo / "demo_data" / file) for task, file in TEST_FILES.items()}
    right = sum(row.is_right for row in predictions(demo, demo / "output_model"))
    return {"right": right, **{task: round(100 * found[task][name], 1) for task, name in METRICS.items()}}


def keep(row: Row, file: Path = KEPT, page: Path = PAGE) -> None:
    """Store a run, and write the table."""
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    kept = sorted([*(one for one in kept if key(one) != key(row)), row], key=key)
    file.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    page.write_text(put_section(page.read_text(encoding="utf-8"), "first_run", section(kept)), encoding="utf-8")
    print(cells(row), flush=True)


def key(row: Mapping[str, Any]) -> tuple[str, str, int]:
    """What a run replaces an earlier one by."""
    return row["language"], row["computed in"], row["seed"]


def section(kept: Sequence[Row]) -> str:
    """The table of all kept runs, and the machines that they ran on."""
    machines = sorted({"; ".join(f"{name} {one[name]}" for name in ("cpu", "python", *PACKAGES)) for one in kept})
    return "\n\n".join([table(HEADER, [cells(one) for one in kept]), "Machine: " + " / ".join(machines)])


def cells(row: Row) -> list[str]:
    """A row of the table."""
    clock = f"{row['minutes']}, {row['threads']}, {row['load']}"
    scored = [f"{row[task]:.1f}" for task in METRICS]
    return [
        row["language"], str(row["seed"]), row["computed in"], str(row["right"]),
        *scored, str(row["processor seconds"]), clock, row["date"],
    ]  # fmt: skip


if __name__ == "__main__":
    main()
