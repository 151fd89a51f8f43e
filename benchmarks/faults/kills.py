"""Kill -9 at random moments until the run is finished: `python -m benchmarks.faults.kills [--runs 50] [--kills 200]`.

After each kill the newest listed checkpoint must verify; each run must end bit-identical to an uninterrupted one.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from benchmarks.faults.small_run import fingerprint, finish, start, write_config
from palm.engine.checkpoint import checkpoints
from palm.errors import CheckpointError
from palm.storage.atomic_directory import verify


class Tally:
    """The results of the kills."""

    def __init__(self) -> None:
        self.kills = self.verified = self.nothing_listed = self.in_a_save = self.runs = self.same = 0

    def look(self, home: Path, process: int) -> None:
        """Count the kill of a process by the files that it left."""
        self.kills += 1
        self.in_a_save += any(home.glob(f".step_*-{process}"))
        listed = checkpoints(home)
        if not listed:
            self.nothing_listed += 1
            return
        try:
            verify(listed[-1])
            self.verified += 1
        except CheckpointError as error:
            print(error)

    def __str__(self) -> str:
        listed = self.kills - self.nothing_listed
        return (
            f"kills: {self.kills}, {self.in_a_save} of them during a save; the newest listed checkpoint verified "
            f"{self.verified}/{listed} times ({self.nothing_listed} kills came before the first); "
            f"{self.same}/{self.runs} runs ended bit-identical"
        )


def run_until_done(folder: Path, tally: Tally, *, longest: float, chance: Random) -> None:
    """Start, kill, and resume until a process finishes."""
    home = folder / "out" / "ckpt"
    while True:
        process = start(folder, "--resume")
        if chance.random() < 0.7:  # otherwise also during loading
            _wait_for_a_checkpoint(process)
            deadline = chance.uniform(0, longest / 4)
        else:
            deadline = chance.uniform(0, longest)
        try:
            process.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if process.returncode == 0:
            return
        tally.look(home, process.pid)


def _wait_for_a_checkpoint(process: "subprocess.Popen[str]") -> None:
    for line in process.stdout or ():
        if "checkpoint saved" in line:
            return


def main() -> int:
    """Print the result; 1 if something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--kills", type=int, default=200, help="continue with more runs until this number of kills")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, tally, began = Random(options.seed), Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        write_config(Path(place) / "whole", save_every_n_steps=1)
        finish(Path(place) / "whole")
        longest, target = time.monotonic() - began, fingerprint(Path(place) / "whole")
        while tally.runs < options.runs or tally.kills < options.kills:
            folder = Path(place) / str(tally.runs)
            write_config(folder, save_every_n_steps=1)
            run_until_done(folder, tally, longest=longest, chance=chance)
            tally.runs += 1
            tally.same += fingerprint(folder) == target
            print(tally, flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    return int(tally.same != tally.runs or tally.verified != tally.kills - tally.nothing_listed)


if __name__ == "__main__":
    sys.exit(main())
