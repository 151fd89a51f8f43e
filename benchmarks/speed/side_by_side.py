"""Runs participants side by side: each is a separate process, and they alternate, A B A B, while the others sleep.

Other load then slows all of them equally, and ratios are computed within each round.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.speed.worker import QUIT, READY, Lap, Usage

ROOT = Path(__file__).resolve().parents[2]
# OpenMP threads go to sleep within 0.2 s after a turn.
PAUSE = 0.5
_IDLE_SHARE = 0.02


@dataclass(frozen=True)
class Participant:
    """One process of a comparison.

    Attributes:
        name: Its name in the table.
        python: The interpreter of its environment.
        module: The module that it runs; see `worker.Pace`.
        settings: Settings of the module.
        environment: All of its environment variables.
        folder: The checkout that it runs in.
    """

    name: str
    python: Path
    module: str
    settings: Mapping[str, object]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path = ROOT


@dataclass(frozen=True)
class Plan:
    """The number of turns.

    Attributes:
        rounds: Measured turns.
        steps: Steps per turn.
        warm_up: Steps before the first measured turn.
        together: Whether all stay in memory; otherwise each is restarted for every turn.
        settle: Steps at the beginning of each turn that are not counted. While the others had their turns, caches were
            filled with their data, and a virtual machine may have reclaimed the memory of those that slept.
    """

    rounds: int
    steps: int
    warm_up: int
    together: bool = True
    settle: int = 0


@dataclass(frozen=True)
class Timings:
    """The measurements of one participant.

    Attributes:
        rounds: The laps of each round.
        peak_bytes: Largest resident memory.
    """

    rounds: Sequence[Sequence[Lap]]
    peak_bytes: int

    def rates(self, kind: str | None = None) -> list[float]:
        """Examples per second in each round with a step of `kind`; by default of all steps."""
        chosen = [[lap for lap in laps if kind in (None, lap.kind)] for laps in self.rounds]
        return [sum(lap.examples for lap in laps) / sum(lap.seconds for lap in laps) for laps in chosen if laps]

    def rate(self, kind: str | None = None) -> float:
        """Examples per second: the median of the rounds."""
        return median(self.rates(kind))

    def seconds(self, kind: str | None = None) -> float:
        """Seconds per step: the median of the rounds' means; NaN if no step was of `kind`."""
        chosen = [[lap.seconds for lap in laps if kind in (None, lap.kind)] for laps in self.rounds]
        means = [sum(laps) / len(laps) for laps in chosen if laps]
        return median(means) if means else math.nan

    @property
    def kinds(self) -> list[str]:
        """The kinds of steps, in the order of their first appearance."""
        return list(dict.fromkeys(lap.kind for laps in self.rounds for lap in laps))


def ratio(one: Timings, other: Timings, kind: str | None = None) -> float:
    """The speed-up of `one` over `other`: the median of the rounds' ratios of examples per second."""
    pairs = zip(one.rates(kind), other.rates(kind), strict=False)  # a kind may be missing in a short round
    return median(ours / theirs for ours, theirs in pairs)


class WorkerError(RuntimeError):
    """A worker ended early; the message has the last line of its stderr, all of which is above."""


class Race(dict[str, Timings]):
    """Timings of the participants that ran, by name.

    Attributes:
        failed: Why others did not run to the end, by name.
    """

    def __init__(self, timings: Mapping[str, Timings], failed: Mapping[str, str]) -> None:
        super().__init__(timings)
        self.failed = dict(failed)


def race(participants: Sequence[Participant], plan: Plan) -> Race:
    """Timings of each participant, by name. Progress goes to stderr.

    Raises:
        WorkerError: None of them ran to the end.
    """
    failed: dict[str, str] = {}
    run = _all_in_memory if plan.together else _one_in_memory
    rounds = run(participants, plan, failed)
    if len(failed) == len(participants):
        raise WorkerError("; ".join(f"{name}: {reason}" for name, reason in failed.items()))
    return Race({name: _timings(name, turns) for name, turns in rounds.items() if name not in failed}, failed)


@dataclass
class _Turns:
    rounds: list[list[Lap]] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)


def _all_in_memory(participants: Sequence[Participant], plan: Plan, failed: dict[str, str]) -> dict[str, _Turns]:
    turns = {participant.name: _Turns() for participant in participants}
    with ExitStack() as stack:
        workers: dict[str, _Worker] = {}
        for one in participants:
            with _noting(one.name, failed):
                workers[one.name] = stack.enter_context(_started(one))
                _say(f"{one.name}: warming up")
                workers[one.name].go(plan.warm_up)
        for number in range(1, plan.rounds + 1):
            for name in [name for name in workers if name not in failed]:
                time.sleep(PAUSE)
                with _noting(name, failed):
                    turns[name].rounds.append(_turn(workers[name], plan))
                    _say_round(name, number, turns[name])
        for name in [name for name in workers if name not in failed]:
            with _noting(name, failed):
                turns[name].usages.append(workers[name].quit())
    return turns


def _one_in_memory(participants: Sequence[Participant], plan: Plan, failed: dict[str, str]) -> dict[str, _Turns]:
    turns = {participant.name: _Turns() for participant in participants}
    for number in range(1, plan.rounds + 1):
        for participant in participants:
            own = turns[participant.name]
            if participant.name in failed:
                continue
            with _noting(participant.name, failed), _started(participant) as worker:
                worker.go(plan.warm_up)
                own.rounds.append(_turn(worker, plan))
                own.usages.append(worker.quit())
                _say_round(participant.name, number, own)
    return turns


def _turn(worker: "_Worker", plan: Plan) -> list[Lap]:
    """The counted laps of a turn."""
    return worker.go(plan.settle + plan.steps)[plan.settle :]


@contextmanager
def _noting(name: str, failed: dict[str, str]) -> Iterator[None]:
    """Note a participant that fails, so that the others go on and its row says why."""
    try:
        yield
    except (WorkerError, OSError) as error:
        failed[name] = str(error).removeprefix(f"{name}: ")
        _say(f"{name}: failed: {failed[name]}")


def _timings(name: str, turns: _Turns) -> Timings:
    idle = sum(usage.idle_seconds for usage in turns.usages)
    busy = sum(usage.idle_cpu_seconds for usage in turns.usages)
    # Threads of the last step may spin for a moment; only a loop that never sleeps is a problem.
    if busy > _IDLE_SHARE * idle + 0.5 * len(turns.rounds):
        _say(f"{name}: took {busy:.1f} s of processor time during the turns of others; its results are invalid.")
    return Timings(turns.rounds, max(usage.peak_bytes for usage in turns.usages))


class _Worker:
    """A participant's process."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", errors: Path) -> None:
        self._name, self._process, self._errors = name, process, errors

    def tell(self, line: str) -> str:
        """Write a line; returns the answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError(f"{self._name}: a worker has pipes.")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            code, said = self._process.wait(), self._errors.read_text(encoding="utf-8", errors="replace").strip()
            sys.stderr.write(f"{said}\n" if said else "")
            last = f": {said.splitlines()[-1]:.200}" if said else ""
            raise WorkerError(f"{self._name}: ended with exit code {code}{last}")
        return answer.strip()

    def go(self, steps: int) -> list[Lap]:
        """Run steps."""
        return [Lap(*lap) for lap in json.loads(self.tell(f"go {steps}"))]

    def quit(self) -> Usage:
        """End the process."""
        return Usage(**json.loads(self.tell(QUIT)))


@contextmanager
def _started(participant: Participant) -> Iterator[_Worker]:
    words = [str(participant.python), "-m", participant.module]
    _say(f"{participant.name}: starting")
    with (
        tempfile.NamedTemporaryFile(prefix="palm-worker-", suffix=".log") as errors,
        subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=participant.folder,
            env=dict(participant.environment),
        ) as process,
    ):
        try:
            worker = _Worker(participant.name, process, Path(errors.name))
            answer = worker.tell(json.dumps(participant.settings))
            if answer != READY:
                raise WorkerError(f"{participant.name}: expected `{READY}`, found `{answer}`.")
            yield worker
        finally:
            if process.poll() is None:
                process.kill()


def _say_round(name: str, number: int, turns: _Turns) -> None:
    laps = turns.rounds[-1]
    seconds = sum(lap.seconds for lap in laps)
    rate = sum(lap.examples for lap in laps) / seconds
    _say(f"{name}: round {number}, {seconds / len(laps):.4f} s per step, {rate:.1f} examples/s")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
