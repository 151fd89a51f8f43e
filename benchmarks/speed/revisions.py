"""This checkout beside another one of PALM: a training step of a fixed shape (B1), and the time to the first step.

    git worktree add ../before REVISION && (cd ../before && python setup.py build_ext --inplace)
    python -m benchmarks.speed.revisions --before ../before

Both run in turn, A B A B, in this environment; ratios are computed within each round.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.machine import machine_facts
from benchmarks.speed.first_step import QUICKSTART
from benchmarks.speed.lineup import FUSED, Lineup, shell_without_tuning, work_folder
from benchmarks.speed.side_by_side import ROOT, Plan, race
from benchmarks.speed.side_by_side import ratio as ratio_of
from benchmarks.speed.starting import start
from benchmarks.speed.workloads import fixed_shape_job

BEFORE, NOW = "before", "now"


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="the other checkout, with its C kernels built")
    parser.add_argument("--model", type=Path, default=ROOT / "pretrain/minilm-l6-en", help="Hugging Face folder")
    parser.add_argument("--rounds", type=int, default=7, help="measured turns of each")
    parser.add_argument("--steps", type=int, default=5, help="steps per turn")
    parser.add_argument("--starts", type=int, default=5, help="starts of each")
    args = parser.parse_args()
    folders = {BEFORE: args.before.resolve(), NOW: ROOT}
    for name, fact in machine_facts(("paddlepaddle", "tokenizers")).items():
        _say(f"{name}: {fact}")
    _training_steps(folders, args.model.resolve(), Plan(rounds=args.rounds, steps=args.steps, warm_up=3))
    _first_steps(folders, args.model.resolve(), args.starts)


def _training_steps(folders: Mapping[str, Path], model: Path, plan: Plan) -> None:
    threads = len(os.sched_getaffinity(0))
    lineup = Lineup(model, Path(sys.executable), threads, None, False, [])
    with work_folder() as work:
        config, _ = fixed_shape_job(model, work, batch=32, seq=128)
        usual = lineup.palm(FUSED, config)
        timings = race([replace(usual, name=name, folder=folder) for name, folder in folders.items()], plan)
    for name, own in timings.items():
        _say(f"B1, 32 x 128, {name}: {own.seconds():.4f} s a step, {own.peak_bytes / 1e6:.0f} MB")
    _say(f"B1, steps per second now / before: {ratio_of(timings[NOW], timings[BEFORE]):.3f}")


def _first_steps(folders: Mapping[str, Path], model: Path, starts: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in folders}
    with work_folder() as work:
        for number in range(starts + 1):  # the first round fills the caches of both
            for name, folder in folders.items():
                words = [str(QUICKSTART), f"--pretrain_model_path={model}", f"--save_path={work / name}"]
                environment = {**shell_without_tuning(), "PALM_CACHE": str(work / f"cache_{name}")}
                took = start(words, environment, folder).seconds
                if number:
                    seconds[name].append(took)
    for name, own in seconds.items():
        _say(f"time to the first step, warm, {name}: {_shown(own)}")
    ratios = [now / before for now, before in zip(seconds[NOW], seconds[BEFORE], strict=True)]
    _say(f"time to the first step, now / before: {median(ratios):.3f}")


def _shown(seconds: Sequence[float]) -> str:
    return f"median {median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
