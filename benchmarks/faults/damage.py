"""Damage checkpoints in every way and check the detection: `python -m benchmarks.faults.damage [--count 1000]`."""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from benchmarks.faults.small_run import finish, write_config
from palm.engine.checkpoint import checkpoints, newest_checkpoint
from tests.integration.damage import DAMAGES, damage


def main() -> int:
    """Print a line per undetected damage, and the result; 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, began = Random(options.seed), time.monotonic()
    found: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        write_config(Path(place) / "run", save_every_n_steps=7, keep_checkpoints=2)
        finish(Path(place) / "run")
        older, newer = checkpoints(Path(place) / "run" / "out" / "ckpt")
        for number in range(options.count):
            kind = DAMAGES[number % len(DAMAGES)]
            home = Path(place) / "damaged"
            for step in (older, newer):
                shutil.copytree(step, home / step.name)
            what = damage(kind, home / newer.name, home / older.name, chance)
            newest, complaints = newest_checkpoint(home)
            noticed = newest == home / older.name and len(complaints) == 1 and str(home / newer.name) in complaints[0]
            tried[kind] += 1
            found[kind] += noticed
            if not noticed:
                print("not noticed:", what)
            shutil.rmtree(home)
    kinds = ", ".join(f"{kind} {found[kind]}/{tried[kind]}" for kind in DAMAGES)
    print(
        f"damage: {found.total()}/{tried.total()} noticed, the previous checkpoint taken and the reason said ({kinds})"
    )
    print(f"{time.monotonic() - began:.0f} s")
    return int(found != tried)


if __name__ == "__main__":
    sys.exit(main())
