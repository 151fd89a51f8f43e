"""Kill, stop or make a rank raise at random moments of `palm train --nproc 2`: `python -m benchmarks.faults.ranks`.

After each fault: the rank is named within the timeout by the other one and by the supervisor, the exit code is not 0,
no process is left, and the run, resumed, ends in the bits of a run that was left alone.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Thread

from benchmarks.faults.small_run import ROOT, fingerprint, write_config
from palm.distributed.rank_environment import EXIT_LOST

PROCESSES = 2
KINDS = ("kill", "stop", "raise")
NAMED = {
    "kill": r"was killed by SIGKILL",
    "stop": r"has not answered for \d+ s",
    # Within what rank 0 does for all, the others are told the error itself, and the supervisor sees the end.
    "raise": r"(raised ValueError: a fault of benchmarks\.faults\.ranks|ended with exit code 1)",
}
CODES = {"kill": 128 + signal.SIGKILL, "stop": EXIT_LOST, "raise": 1}
_SAVE_EVERY = 4
_EPOCHS = 16
_TRAINED = "all tasks: inference model saved"
_RAISED = signal.SIGUSR1
# Makes a rank raise wherever it is when the signal comes. Python imports this module at the start of every process.
_SITE = f"""
import os, signal, sys
def fail(*_):
    raise ValueError("a fault of benchmarks.faults.ranks")
if "PADDLE_TRAINER_ID" in os.environ and "palm" in sys.orig_argv:
    signal.signal({int(_RAISED)}, fail)
"""


@dataclass(frozen=True)
class Fault:
    """What is done to which rank, and when.

    Attributes:
        kind: `kill`, `stop` or `raise`.
        rank: The rank.
        after: Seconds after its second step.
    """

    kind: str
    rank: int
    after: float

    def befall(self, pid: int) -> None:
        """Do it."""
        numbers = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "raise": _RAISED}
        os.kill(pid, numbers[self.kind])


def start(folder: Path, site: Path, *words: str) -> "subprocess.Popen[str]":
    """`palm train` in two processes on the configuration of `folder`."""
    environment = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "palm", "train", str(folder / "config.yaml")]
    return subprocess.Popen(
        [*command, "--nproc", str(PROCESSES), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(folder: Path) -> Mapping[int, int | None]:
    """Processes that train in the folder, and the rank of each; None for the supervisor."""
    found: dict[int, int | None] = {}
    for home in Path("/proc").glob("[0-9]*"):
        try:
            if f"{folder}/config.yaml".encode() not in (home / "cmdline").read_bytes():
                continue
            state = (home / "stat").read_text().rpartition(")")[2].split()[0]
            rank = re.search(rb"\0PADDLE_TRAINER_ID=(\d+)\0", (home / "environ").read_bytes())
        except OSError:
            continue
        if state != "Z":
            found[int(home.name)] = int(rank[1]) if rank else None
    return found


def problems_after(fault: Fault, folder: Path, site: Path, *, timeout: float) -> list[str]:
    """What is not as it should be after a fault."""
    process = start(folder, site, "--rank_timeout", str(timeout))
    output = Output(process)
    output.wait_for("Global step: 2.")
    time.sleep(fault.after)
    trained = output.said(_TRAINED)
    pid = next((pid for pid, rank in processes_of(folder).items() if rank == fault.rank), None)
    at = time.monotonic()
    if pid is not None:
        with suppress(ProcessLookupError):
            fault.befall(pid)
    process.wait(timeout=300)
    seconds = time.monotonic() - at
    said = output.text()
    problems = _problems_after_training(fault, process.returncode, said) if trained else None
    if problems is None:
        problems = _problems_of_end(fault, folder, said, process.returncode)
    left = processes_of(folder)
    return [*problems, *_late(seconds, timeout, said), *([f"processes left behind: {left}"] if left else [])]


class Output:
    """What a process writes, read as it comes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._lines: list[str] = []
        self._thread = Thread(target=self._read, args=(process,), daemon=True)
        self._thread.start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        if process.stdout is not None:
            with process.stdout as written:
                for line in written:
                    self._lines.append(line)

    def said(self, words: str) -> bool:
        """Whether a line contains `words` by now."""
        return any(words in line for line in list(self._lines))

    def wait_for(self, words: str) -> None:
        """Wait for a line that contains `words`, or for the end."""
        while not self.said(words) and self._thread.is_alive():
            time.sleep(0.01)

    def text(self) -> str:
        """All that was written, at the end of the process."""
        self._thread.join(timeout=60)
        return "".join(self._lines)


def _problems_after_training(fault: Fault, code: int, said: str) -> list[str]:
    """All that is asked when the model had been saved already: whatever does not end well is named."""
    named = re.search(rf"rank {fault.rank} \(\S+, pid \d+\) ", said)
    return [] if code == 0 or named else [f"exit code {code} after training, and no rank is named: {said}"]


def _problems_of_end(fault: Fault, folder: Path, said: str, code: int) -> list[str]:
    found = []
    sentence = rf"rank {fault.rank} \(\S+, pid \d+\) {NAMED[fault.kind]}"
    living = said if fault.rank else (folder / "out" / "ranks" / "rank1.log").read_text(encoding="utf-8")
    # A rank that loses the connection to the store before the supervisor has told it why knows no more than that.
    store = r"rank 0 \(\S+, pid \d+\) has ended, and with it the store of all ranks"
    told = r"rank 0: a fault of benchmarks\.faults\.ranks"
    if not re.search(rf"({sentence}|{store}).*Stopping\.|{told}", living):
        found.append(f"the other rank does not name it: {living}")
    if not re.search(sentence, said):
        found.append(f"the supervisor does not name it: {said}")
    if code != CODES[fault.kind]:
        found.append(f"exit code {code}, expected {CODES[fault.kind]}: {said}")
    return found


def _late(seconds: float, timeout: float, said: str) -> list[str]:
    """The whole end, with the checkpoint of the emergency, is what is measured here."""
    return [f"{seconds:.1f} s until the end: {said}"] if seconds > timeout + 15 else []


def main() -> int:
    """Print the result; 1 if something was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rank_timeout", type=float, default=5.0)
    options = parser.parse_args()
    chance, began = Random(options.seed), time.monotonic()
    faults, saved, same, bad = Counter[str](), 0, 0, 0
    with tempfile.TemporaryDirectory() as place:
        site = Path(place) / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
        expected, seconds = {}, {}
        for batches in (1, 2):
            expected[batches], seconds[batches] = _left_alone(Path(place) / f"whole{batches}", site, batches)
        for number in range(options.runs):
            folder, batches = Path(place) / str(number), 1 + number % 2
            _write_config(folder, batches)
            fault = Fault(chance.choice(KINDS), chance.randrange(PROCESSES), chance.uniform(0, seconds[batches]))
            problems = problems_after(fault, folder, site, timeout=options.rank_timeout)
            saved += _has_emergency_checkpoint(folder)
            _finish(folder, site, "--resume")
            found = fingerprint(folder)
            other = sorted(name for name in found | expected[batches] if found.get(name) != expected[batches].get(name))
            faults[fault.kind] += 1
            same += not other
            bad += bool(problems or other)
            for problem in [*problems, *([f"resumed to other bits: {other}"] if other else [])]:
                print(f"run {number}, {fault}: {problem}")
            print(
                f"{number + 1}/{options.runs}: {dict(faults)}, {saved} left a checkpoint, {same} same bits, {bad} bad",
                flush=True,
            )
    print(f"ranks: {options.runs} faults, {bad} not as they should be; {time.monotonic() - began:.0f} s")
    return int(bad > 0)


def _write_config(folder: Path, batches: int) -> None:
    """A run that updates after each batch or after every second one, and saves every fourth step."""
    write_config(folder, save_every_n_steps=_SAVE_EVERY, gradient_accumulation_steps=batches, num_epochs=_EPOCHS)


def _left_alone(folder: Path, site: Path, batches: int) -> tuple[dict[str, str], float]:
    """The files of a run that nothing happens to, and seconds from its second step to its end."""
    _write_config(folder, batches)
    process = start(folder, site)
    output = Output(process)
    output.wait_for("Global step: 2.")
    began = time.monotonic()
    process.wait(timeout=600)
    if process.returncode:
        raise RuntimeError(output.text())
    return fingerprint(folder), time.monotonic() - began


def _finish(folder: Path, site: Path, *words: str) -> None:
    process = start(folder, site, *words)
    said, _ = process.communicate(timeout=600)
    if process.returncode:
        raise RuntimeError(said)


def _has_emergency_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint of a step after which none is regular."""
    steps = [int(home.name.removeprefix("step_")) for home in (folder / "out" / "ckpt").glob("step_*[0-9]")]
    return any(step % _SAVE_EVERY for step in steps)


if __name__ == "__main__":
    sys.exit(main())
