"""Malformed data files for every reader: `python -m benchmarks.faults.readers [--mutations 20000]`."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from palm.spec import Phase
from tests.reader_faults import CASES, attempt, corpus, mutations

PHASES: tuple[Phase, ...] = ("train", "predict")


def main() -> int:
    """Print a line per reader, and the result; 1 if a row was lost or an error was not one of PALM's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=int, default=10_000_000, help="bytes of the corpus's longest line")
    options = parser.parse_args()
    began, chance, bad = time.monotonic(), Random(options.seed), 0
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        for case in CASES:
            file = Path(place) / f"a.{case.ending}"
            malformed = [content for _, content in corpus(case, longest=options.longest)]
            ends: Counter[str] = Counter()
            for content in [*malformed, *mutations(case, options.mutations // len(CASES), chance)]:
                file.write_bytes(content)
                for phase in PHASES:
                    try:
                        ends[attempt(case, file, phase)] += 1
                    except Exception as error:
                        bad += 1
                        print(f"{case.reader} {phase}: {type(error).__name__}: {error}; {content[:200]!r}")
            total += ends
            print(f"{case.reader} {case.ending}: {len(malformed)} in the corpus, {dict(ends)}", flush=True)
    print(f"readers: {total.total() + bad} reads, {dict(total)}, other errors or lost rows: {bad}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
