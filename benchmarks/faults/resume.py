"""Resume in a fresh process from every step of a run: `python -m benchmarks.faults.resume [--count N]`."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults.small_run import fingerprint, finish, write_config
from palm.engine.checkpoint import checkpoints


def exported_at(folder: Path) -> dict[str, int]:
    """The step at which each target was exported."""
    step, found = 0, {}
    for line in (folder / "out" / "log.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("Global step: "):
            step = int(line.split()[2].rstrip("."))
        elif ": inference model saved at" in line:
            found[line.split(":")[0]] = step
    return found


def situations(folder: Path, first_end: int) -> dict[int, set[str]]:
    """The special conditions of stopping after each step; `first_end` is the one after which a target has finished."""
    lines = [json.loads(line) for line in (folder / "out" / "metrics.jsonl").read_text("utf-8").splitlines()]
    steps = [line for line in lines if line["split"] == "train"]
    seen: dict[str, int] = {}
    found: dict[int, set[str]] = {}
    for line in steps:
        seen[line["task"]] = line["epoch"]
        special = {"within an accumulation"} if line["global_step"] % 2 else set()
        if len(seen) < len({other["task"] for other in steps}):
            special.add("before a task's first batch")
        if max(seen.values()) >= 1:
            special.add("in a later epoch")
        found[line["global_step"]] = special
    for step in found:
        found[step] |= {"after one target has finished"} if step >= first_end else set()
    return found


def main() -> int:
    """Print a line per stop point that differs, and the result; 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, help="number of stop points, evenly spread (default: all)")
    count = parser.parse_args().count
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        whole = Path(home) / "whole"
        write_config(whole, save_every_n_steps=1, keep_checkpoints=10_000)
        finish(whole)
        expected, exports = fingerprint(whole), exported_at(whole)
        special = situations(whole, min(exports.values()))
        stops = checkpoints(whole / "out" / "ckpt")[:-1]
        stops = stops[:: max(1, len(stops) // count)][:count] if count else stops
        same, met = 0, dict.fromkeys(sorted(set().union(*special.values())), 0)
        for stop in stops:
            folder = Path(home) / stop.name
            write_config(folder, save_every_n_steps=1, keep_checkpoints=1)
            shutil.copytree(stop, folder / "out" / "ckpt" / stop.name)
            shutil.copyfile(whole / "out" / "metrics.jsonl", folder / "out" / "metrics.jsonl")
            for task, step in exports.items():
                if step <= int(stop.name.removeprefix("step_")):
                    shutil.copytree(whole / "out" / task / "infer_model", folder / "out" / task / "infer_model")
            finish(folder, "--resume")
            found = fingerprint(folder)
            same += found == expected
            for name in special[int(stop.name.removeprefix("step_"))]:
                met[name] += 1
            if found != expected:
                print(stop.name, "differs in", [key for key in expected if found.get(key) != expected[key]])
            shutil.rmtree(folder)
    print(f"resume: {same}/{len(stops)} stop points end bit-identical, each in a fresh process ({met})")
    print(f"{time.monotonic() - began:.0f} s")
    return int(same != len(stops))


if __name__ == "__main__":
    sys.exit(main())
