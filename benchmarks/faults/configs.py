"""Configurations that attack or confuse: `python -m benchmarks.faults.configs [--mutations 20000]`."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.config_faults import attempt, evil_configs, good_config, mutations


def main() -> int:
    """Print the result; 1 if code ran or an error was not one of PALM's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, bad = time.monotonic(), 0
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        good = good_config(folder)
        evil = [text.encode("utf-8", "surrogatepass") for _, text in evil_configs(folder / "trace")]
        before = {path.name for path in folder.iterdir()} | {"config.yaml"}
        for text in [*evil, *mutations(good, options.mutations, Random(options.seed))]:
            try:
                ends[attempt(text, folder)] += 1
            except Exception as error:
                bad += 1
                print(f"{type(error).__name__}: {error}; {text[:300]!r}")
        outside = {path.name for path in folder.iterdir()} - before
    bad += ends.total() - ends["read"] - ends["refused"] + len(outside)
    print(f"configurations: {len(evil)} attacks and {options.mutations} mutations, {dict(ends)}; surprises: {bad}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
