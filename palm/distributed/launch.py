"""Starts the ranks of a run on this machine and supervises them: signals, failures, restarts.

Paddle's launch module would end a rank that still writes its last checkpoint: see docs/adr/0007-launch.md.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from palm.distributed.network import LOOPBACK, free_port, own_address_towards
from palm.distributed.rank_environment import (
    DEFAULT_TIMEOUT,
    EXIT_LOST,
    REPORTS,
    SUPERVISOR,
    TIMEOUT,
    RankPlace,
    rank_environment,
)
from palm.distributed.rank_process import RankProcess, start_rank
from palm.distributed.reports import LostRank, Reports
from palm.runtime.environment import given_environment
from palm.runtime.script import EXIT_ERROR
from palm.storage.layout import LOG_FILE

RANKS_FOLDER = "ranks"
"""Folder in save_path for the output of all ranks but the one whose output is shown."""

_FORWARDED = (signal.SIGINT, signal.SIGTERM)
_POLL = 0.1
_GRACE = 120.0  # for a large model's checkpoint, after the others have learnt of a lost rank
_SLOW_START = 60.0
_TAIL_LINES = 15
# Exit codes after which another attempt would end the same way, or was asked not to happen.
_FINAL = (EXIT_ERROR, 128 + signal.SIGINT, 128 + signal.SIGTERM)


@dataclass(frozen=True)
class LaunchPlan:
    """What runs on this machine.

    Attributes:
        command: The command of each rank.
        resume: What is added to it after a failure, so that it continues from the newest checkpoint.
        logs: Folder for the output of ranks that is not shown.
        per_machine: Ranks on this machine, and on every other.
        machines: Number of machines.
        machine: Which of them this is, from 0.
        master: Address and port of the first machine for the store; None on a single machine, which chooses a port.
        on_gpu: Whether rank i computes on the i-th visible GPU.
        rank_timeout: Seconds within which a rank that does not answer is named.
        max_restarts: How often the ranks are started again after a failure.
    """

    command: Sequence[str]
    resume: Sequence[str]
    logs: Path
    per_machine: int
    machines: int = 1
    machine: int = 0
    master: tuple[str, int] | None = None
    on_gpu: bool = False
    rank_timeout: float = DEFAULT_TIMEOUT
    max_restarts: int = 0


@dataclass
class _Attempt:
    """The ranks from one start to their end."""

    plan: LaunchPlan
    reports: Reports
    ranks: list[RankProcess] = field(default_factory=list)
    order: list[RankProcess] = field(default_factory=list)
    failed_at: float | None = None
    ended_well_at: float | None = None
    not_ending: list[RankProcess] = field(default_factory=list)
    started_at: float = field(default_factory=time.monotonic)
    told_slow: bool = False

    def supervise(self) -> None:
        """Wait for the end of all ranks; end those that a failure leaves behind."""
        while len(self.order) < len(self.ranks):
            self._note_ends()
            if self.failed_at is not None:
                self._end_the_rest(time.monotonic() - self.failed_at)
            elif self.ended_well_at is not None:
                self._end_those_that_hang(time.monotonic() - self.ended_well_at)
            elif self.plan.machines > 1 and not self.told_slow:
                self._tell_slow_start()
            time.sleep(_POLL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to every rank that runs."""
        for rank in self.ranks:
            rank.send(number)

    def lost(self) -> list[LostRank]:
        """The ranks that others gave up, each once."""
        found: dict[int, LostRank] = {}
        for rank in self.ranks:
            report = self.reports.read(rank.index)
            for lost in report.lost if report else ():
                found.setdefault(lost.index, lost)
        return [found[index] for index in sorted(found)]

    def saved(self) -> str | None:
        """The checkpoint that a rank wrote because of a lost one."""
        reports = [self.reports.read(rank.index) for rank in self.ranks]
        return next((report.saved for report in reports if report and report.saved), None)

    def cause(self) -> RankProcess | None:
        """The rank whose failure ended the run: the first, unless it only stopped because of another one."""
        failed = [rank for rank in self.order if rank.process.returncode != 0]
        own = [rank for rank in failed if rank.process.returncode != EXIT_LOST and not rank.stopped]
        return next(iter([*own, *failed]), None)

    def _note_ends(self) -> None:
        for rank in self.ranks:
            if not rank.note_end():
                continue
            self.order.append(rank)
            if rank.process.returncode != 0:
                self.reports.write_end(rank.index, rank.how_it_ended())
                self.failed_at = self.failed_at or time.monotonic()
            else:
                self.ended_well_at = self.ended_well_at or time.monotonic()

    def _end_the_rest(self, seconds: float) -> None:
        """Ranks end by themselves once they know of the failure; not those that hang, or have not met the others."""
        left = [rank for rank in self.ranks if not rank.ended]
        # One that has raised ends by itself, with its own exit code, unless it hangs on the way.
        patience = seconds < self.plan.rank_timeout
        lost = {lost.index for lost in self.lost() if not (patience and lost.has_raised)}
        hopeless = all(rank.index in lost for rank in left) or seconds > self.plan.rank_timeout + _GRACE
        for rank in left:
            if hopeless:
                rank.send(signal.SIGKILL)
            elif not rank.stopped and self.reports.read(rank.index) is None:
                rank.send(signal.SIGTERM)
            else:
                continue
            rank.stopped = True

    def _end_those_that_hang(self, seconds: float) -> None:
        """All ranks end together; the last ones are not watched while they do."""
        if seconds <= self.end_limit:
            return
        for rank in (rank for rank in self.ranks if not rank.ended and not rank.stopped):
            self.not_ending.append(rank)
            rank.stopped = True
            rank.send(signal.SIGKILL)

    @property
    def end_limit(self) -> float:
        """Seconds between the ends of the first and of the last rank: a large process takes some to free its memory."""
        return max(self.plan.rank_timeout, DEFAULT_TIMEOUT)

    def _tell_slow_start(self) -> None:
        if all(self.reports.read(rank.index) for rank in self.ranks):
            self.told_slow = True
        elif time.monotonic() - self.started_at > _SLOW_START:
            self.told_slow = True
            host, port = self.plan.master or (LOOPBACK, 0)
            size = f"{self.plan.machines} machines with {self.plan.per_machine} processes each"
            rule = "Are all started, with the same --nnodes, --nproc and --master, and does a firewall let them in?"
            _complain(f"Still waiting for the ranks of {size} to meet at {host}:{port}. {rule}")


class _Signals:
    """While it is open, SIGINT and SIGTERM go to all ranks, each once; Ctrl-Z stops and continues them."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.attempt: _Attempt | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "_Signals":
        self._before = {number: signal.signal(number, self._forward) for number in _FORWARDED}
        self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._pause)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)
        self._send(signal.Signals(number))

    def _pause(self, number: int, frame: FrameType | None) -> None:
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self.attempt is not None:
            self.attempt.send(number)


def launch(plan: LaunchPlan) -> int:
    """Run all ranks of this machine to their end.

    Returns:
        0 if all ended well; 130 or 143 after SIGINT or SIGTERM; else the exit code of the rank that failed first.
    """
    with _Signals() as signals:
        begun: Path | None = None
        for restarts in range(plan.max_restarts + 1):
            code, now = _attempt(plan, signals, append=restarts > 0, resumes=begun is not None)
            begun = now or begun
            if code == 0 or signals.received or code in _FINAL or restarts == plan.max_restarts:
                break
            where = "from the newest checkpoint" if begun else "from the beginning"
            _complain_in_log(f"Restart {restarts + 1} of {plan.max_restarts}, {where}.", plan, begun)
            if plan.machines > 1:
                time.sleep(plan.rank_timeout)  # until the ranks of the other machines have given up, too
            if signals.received:
                break
    return 128 + signals.received if signals.received and code != 0 else code


def _attempt(plan: LaunchPlan, signals: _Signals, *, append: bool, resumes: bool) -> tuple[int, Path | None]:
    """Start the ranks, wait for their end, and say what went wrong.

    Args:
        plan: What runs on this machine.
        signals: Those that the supervisor receives.
        append: Whether the logs of an earlier attempt go on.
        resumes: Whether to continue from the newest checkpoint.

    Returns:
        The exit code, and the folder of the run if it had begun: what an earlier one left there is out of the way.
    """
    with ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix="palm-ranks-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        attempt = _Attempt(plan, Reports(folder))
        cleanup.callback(attempt.send, signal.SIGKILL)
        signals.attempt = attempt
        _start(attempt, folder, append=append, resumes=resumes)
        if signals.received:  # before all had been started
            attempt.send(signals.received)
        attempt.supervise()
        cause = attempt.cause()
        begun = attempt.reports.begun
        if cause is None:
            return 0, begun
        if signals.received is None:
            for line in _findings(attempt):
                _complain_in_log(line, plan, begun)
        return EXIT_LOST if attempt.not_ending else cause.exit_code, begun


def _start(attempt: _Attempt, folder: Path, *, append: bool, resumes: bool) -> None:
    plan = attempt.plan
    address, port = plan.master or (LOOPBACK, free_port())
    own = own_address_towards(address)
    ports = [free_port(own) for _ in range(plan.per_machine)]
    extra = {REPORTS: str(folder), SUPERVISOR: str(os.getpid()), TIMEOUT: str(plan.rank_timeout)}
    command = [*plan.command, *(plan.resume if resumes else ())]
    for local in range(plan.per_machine):
        place = RankPlace(plan.machine * plan.per_machine + local, local, plan.machines, plan.per_machine)
        environment = rank_environment(
            given_environment(), place, master=f"{address}:{port}", address=own, ports=ports, on_gpu=plan.on_gpu
        )
        log = plan.logs / f"rank{place.index}.log" if local else None
        attempt.ranks.append(start_rank(place, command, {**environment, **extra}, log, append=append))


def _findings(attempt: _Attempt) -> list[str]:
    """What went wrong, by rank: the ranks that were lost, how the others ended, and what they wrote last."""
    lost = attempt.lost()
    lines = [f"{_with_its_end(rank, attempt.ranks)}." for rank in lost]
    for rank in attempt.not_ending:
        when = f"within {attempt.end_limit:.0f} s of the first rank that ended"
        lines.append(f"{rank.name} has not answered {when}, and was killed.")
    failed = [rank for rank in attempt.order if rank.process.returncode != 0 and not rank.stopped]
    shown_failed = any(rank.log is None and rank.process.returncode != EXIT_LOST for rank in failed)
    for rank in failed:
        code = rank.process.returncode
        if rank.index not in {known.index for known in lost}:
            where = f"; its output: {rank.log.as_posix()}" if rank.log else ""
            lines.append(f"{rank.name} {rank.how_it_ended()}{where}")
        if rank.log and not shown_failed and code not in (EXIT_LOST, -signal.SIGKILL):
            lines += [f"  rank {rank.index}: {line}" for line in _tail(rank.log)]
    saved = attempt.saved()
    return [*lines, *([f"A checkpoint of the last finished step is at {saved}"] if saved else [])]


def _with_its_end(lost: LostRank, ranks: Sequence[RankProcess]) -> LostRank:
    """A lost rank as the supervisor saw it end: others may know no more than that it is gone."""
    own = next((rank for rank in ranks if rank.index == lost.index and rank.ended and not rank.stopped), None)
    return lost if own is None or own.process.returncode >= 0 else replace(lost, why=own.how_it_ended())


def _tail(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.replace("\r", "\n").splitlines() if line.strip()][-_TAIL_LINES:]


def _complain_in_log(line: str, plan: LaunchPlan, folder: Path | None) -> None:
    """Complain, and note it in the log of the run in `folder`; of several machines, the first one does."""
    _complain(line)
    if folder is None or plan.machine:
        return
    with suppress(OSError), (folder / LOG_FILE).open("a", encoding="utf-8") as log:
        log.write(f"{line}\n")


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
