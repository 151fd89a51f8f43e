"""The worker's side of a comparison: it computes only on request of the parent, and times each step.

    pace = Pace.of_process()          # takes the worker's settings from the parent
    …                                 # build everything
    pace.ready()
    for batch in batches:             # an ordinary endless loop of steps
        …
        pace.lap(batch_size)

The parent writes lines: the settings as JSON, then `go 5` for five steps, and `quit`. The worker answers: `ready`,
the laps of each round as JSON, and its resource usage. Standard library only: PALM's environment and the peers' both
import this.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

READY = "ready"
QUIT = "quit"


class Lap(NamedTuple):
    """One step: its kind, duration and number of examples."""

    kind: str
    seconds: float
    examples: int


@dataclass(frozen=True)
class Usage:
    """Resource usage of a worker.

    Attributes:
        peak_bytes: Largest resident memory.
        idle_seconds: Waiting time between rounds.
        idle_cpu_seconds: Processor time while waiting, which should be close to 0.
    """

    peak_bytes: int
    idle_seconds: float
    idle_cpu_seconds: float


class Pace:
    """Runs a loop while the parent requests steps, and makes it wait otherwise.

    Args:
        commands: Lines of the parent.
        answers: Lines to the parent.
    """

    def __init__(self, commands: TextIO, answers: TextIO) -> None:
        self._commands, self._answers = commands, answers
        self.settings: dict[str, Any] = json.loads(commands.readline())
        self._laps: list[Lap] = []
        self._wanted = 0
        self._since = 0.0
        self._idle_seconds = self._idle_cpu_seconds = 0.0

    @classmethod
    def of_process(cls) -> "Pace":
        """Answers are written to stdout; all other output of this process goes to stderr."""
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        return cls(sys.stdin, answers)

    def ready(self) -> None:
        """Call after building everything: wait for the first round."""
        self._answer(READY)
        self._wait()

    def lap(self, examples: int | Callable[[], int], kind: str = "") -> None:
        """Call after a step. After the last one of a round, report and wait for the next round.

        Args:
            examples: Number of examples of the step; a function is called while the clock is stopped.
            kind: Kind of the step, such as the task's name.

        Raises:
            SystemExit: The parent requests it.
        """
        seconds = time.perf_counter() - self._since
        self._laps.append(Lap(kind, seconds, examples() if callable(examples) else examples))
        if len(self._laps) == self._wanted:
            self._answer(json.dumps(self._laps))
            self._wait()
        self._since = time.perf_counter()

    def _wait(self) -> None:
        began, cpu = time.perf_counter(), time.process_time()
        command, _, count = self._commands.readline().strip().partition(" ")
        self._idle_seconds += time.perf_counter() - began
        self._idle_cpu_seconds += time.process_time() - cpu
        if command != "go":
            usage = Usage(peak_memory(), self._idle_seconds, self._idle_cpu_seconds)
            self._answer(json.dumps(asdict(usage)))
            raise SystemExit(0)
        self._laps, self._wanted = [], int(count)
        self._since = time.perf_counter()

    def _answer(self, line: str) -> None:
        self._answers.write(line + "\n")
        self._answers.flush()


def peak_memory(process: int | str = "self") -> int:
    """Largest resident memory of a process so far, in bytes."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
