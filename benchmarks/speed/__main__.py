r"""The whole set of speed benchmarks, one after the other, on a machine that does nothing else.

    python -m benchmarks.speed --data DATA --model pretrain/minilm-l6-en --peers .peers
    python -m benchmarks.speed --data DATA --quick

DATA contains the folders `atis`, `policyqa` and `palm_samples`. Each benchmark is a process of its own and rewrites its
section of RESULTS.md; one that fails does not keep the others from running, and makes the exit code 1. `--quick` leaves
out the longest ones and takes fewer turns; `--benchmarks` selects some of them.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.speed.lineup import add_quiet_options
from benchmarks.speed.quiet import quiet_machine
from benchmarks.speed.results import RESULTS
from benchmarks.speed.side_by_side import ROOT

Words = tuple[str, ...]

# Options of each benchmark: of the set, and of the quick one; None leaves it out. DATA is replaced.
SET: dict[str, tuple[Words, Words | None]] = {
    "fixed_shape": (
        ("--rounds", "3", "--steps", "3", "--warm_up", "2"),
        ("--rounds", "2", "--steps", "2", "--warm_up", "1", "--no-compiled"),
    ),
    "joint_lengths": (
        ("--data", "DATA/atis", "--rounds", "3", "--steps", "24", "--warm_up", "6"),
        ("--data", "DATA/atis", "--rounds", "1", "--steps", "24", "--warm_up", "6"),
    ),
    "prediction": (
        ("--atis", "DATA/atis", "--policyqa", "DATA/policyqa", "--questions", "100", "--rounds", "3",
         "--files", "slots", "policy"),
        ("--atis", "DATA/atis", "--policyqa", "DATA/policyqa", "--questions", "30", "--rounds", "1",
         "--files", "slots", "--calls", "50"),
    ),
    "large_encoder": (
        ("--rounds", "1", "--steps", "2", "--warm_up", "1"),
        None,
    ),
    "whole_run": (
        ("--data", "DATA/atis", "--epochs", "2"),
        ("--data", "DATA/atis", "--epochs", "1", "--only", "PALM bf16", "Trainer, length grouping, bf16"),
    ),
    "growth": (
        ("--rounds", "1", "--steps", "2", "--warm_up", "1", "--curves", "length", "tasks", "rows", "--lengths", "64",
         "128", "256", "512", "--tasks", "1", "4", "16", "--rows", "10000", "100000", "1000000"),
        None,
    ),
    "task_mix": (
        ("--data", "DATA/palm_samples", "--rounds", "1", "--steps", "12", "--warm_up", "4"),
        None,
    ),
    "first_step": (("--starts", "2"), ("--starts", "1")),
}  # fmt: skip
WITHOUT_PEERS = ("first_step",)


def words_of(name: str, args: argparse.Namespace) -> Words | None:
    """The options of a benchmark."""
    words = SET[name][1 if args.quick else 0]
    if words is None:
        return None
    own = tuple(word.replace("DATA", str(args.data.resolve())) for word in words)
    common = ("--model", str(args.model), "--results", str(args.results), "--load", str(args.load))
    peers = () if name in WITHOUT_PEERS else ("--peers", str(args.peers))
    return (*own, *common, "--wait", str(args.wait), *peers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="folder of the data sets")
    parser.add_argument("--model", type=Path, default=ROOT / "pretrain/minilm-l6-en", help="Hugging Face folder")
    parser.add_argument("--peers", type=Path, default=ROOT / ".peers", help="the environment made by make_peers.py")
    parser.add_argument("--benchmarks", nargs="+", choices=SET, default=list(SET), help="which ones")
    parser.add_argument("--quick", action="store_true", help="fewer benchmarks, rounds and steps")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the markdown file to write")
    add_quiet_options(parser)
    args = parser.parse_args()
    failed, began = [], time.perf_counter()
    with quiet_machine(limit=args.load, wait=args.wait):
        for name in args.benchmarks:
            words = words_of(name, args)
            if words is None:
                continue
            started = time.perf_counter()
            code = subprocess.run([sys.executable, "-m", f"benchmarks.speed.{name}", *words], check=False).returncode
            failed += [name] if code else []
            _say(f"{name}: {'failed' if code else 'done'} after {time.perf_counter() - started:.0f} s")
    _say(f"the set took {(time.perf_counter() - began) / 60:.1f} minutes; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
