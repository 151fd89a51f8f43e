"""B8: from `palm train` to the log line of the first step, on the quickstart, cold and warm.

    python -m benchmarks.speed.first_step --model pretrain/minilm-l6-en

Cold: neither Paddle and the model's files in the page cache nor tokenised data in PALM's. Warm: the start after it.
"""

import argparse
import shutil
import sysconfig
from pathlib import Path
from statistics import median

from benchmarks.machine import machine_facts
from benchmarks.speed.lineup import add_quiet_options, shell_without_tuning, work_folder
from benchmarks.speed.quiet import quiet_machine
from benchmarks.speed.results import RESULTS, Goal, Result, publish, table
from benchmarks.speed.side_by_side import ROOT
from benchmarks.speed.starting import Start, forget_files, start

QUICKSTART = ROOT / "examples/quickstart/config.yaml"
PACKAGES = ("paddle", "numpy", "numpy.libs", "tokenizers", "safetensors", "pydantic", "pydantic_core", "yaml")
WARM_GOAL = 6.0


def measure(config: Path, model: Path, work: Path, starts: int) -> dict[str, list[Start]]:
    """Alternate cold and warm starts."""
    words = [str(config), f"--pretrain_model_path={model}", f"--save_path={work / 'output_model'}"]
    cache = work / "cache"
    environment = {**shell_without_tuning(), "PALM_CACHE": str(cache)}
    site = Path(sysconfig.get_paths()["platlib"])
    found: dict[str, list[Start]] = {"cold": [], "warm": []}
    for _ in range(starts):
        shutil.rmtree(cache, ignore_errors=True)
        forget_files([*(site / package for package in PACKAGES), model])
        for kind in found:
            found[kind].append(start(words, environment))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "pretrain/minilm-l6-en", help="Hugging Face folder")
    parser.add_argument("--config", type=Path, default=QUICKSTART, help="configuration to train")
    parser.add_argument("--starts", type=int, default=5, help="of each kind")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the markdown file to write")
    add_quiet_options(parser)
    args = parser.parse_args()
    with quiet_machine(limit=args.load, wait=args.wait) as quiet, work_folder() as work:
        found = measure(args.config.resolve(), args.model.resolve(), work, args.starts)
    seconds = {kind: [one.seconds for one in starts] for kind, starts in found.items()}
    rows = [[kind, f"{median(own):.2f}", f"{min(own):.2f}", f"{max(own):.2f}"] for kind, own in seconds.items()]
    tables = [table(("seconds to the first step", "median", "least", "most"), rows)]
    goals = [Goal("seconds to the first step, warm", median(seconds["warm"]), WARM_GOAL, at_most=True)]
    facts = {
        **machine_facts(("paddlepaddle", "tokenizers")),
        **quiet,
        "starts": f"{args.starts} of each kind, alternating",
    }
    publish(
        Result("first_step", "B8: time to the first step", facts, tables, goals, {"seconds": seconds}), args.results
    )


if __name__ == "__main__":
    main()
