"""Starting time of commands that do not compute: `python benchmarks/startup.py` (the goal is 0.3 s each)."""

import subprocess
import sys
import time

GOAL = 0.3
RUNS = 5
COMMANDS = (["--help"], ["--version"], ["train", "--help"], ["check", "--help"], ["download"])


def seconds(words: list[str]) -> float:
    """The fastest of several runs of `palm` with `words`."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "palm", *words], stdout=subprocess.DEVNULL, check=True)
        best = min(best, time.perf_counter() - start)
    return best


def main() -> int:
    """Print a line per command; 1 if one of them misses the goal."""
    slow = False
    for words in COMMANDS:
        taken = seconds(words)
        slow = slow or taken > GOAL
        print(f"palm {' '.join(words):<14} {taken:.3f} s{'' if taken <= GOAL else '   over the goal'}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
