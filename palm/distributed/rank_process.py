"""The process of one rank on this machine: how it is started, signalled, and how it ended."""

import ctypes
import os
import signal
import socket
import subprocess  # nosec B404
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from palm.distributed.rank_environment import EXIT_LOST, RankPlace

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass
class RankProcess:
    """A rank of this machine.

    Attributes:
        index: Its number in the run.
        process: The process.
        log: The file with its output; None for the one whose output is shown.
        ended: Whether its end was seen.
        stopped: Whether the supervisor has asked it to end.
    """

    index: int
    process: "subprocess.Popen[bytes]"
    log: Path | None
    ended: bool = False
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        """As a shell gives it: 128 and the number of the signal that killed it."""
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    @property
    def name(self) -> str:
        """`rank 1 (host, pid 123)`."""
        return f"rank {self.index} ({socket.gethostname()}, pid {self.process.pid})"

    def how_it_ended(self) -> str:
        """`was killed by SIGKILL`, `ended with exit code 2`."""
        code = self.process.returncode
        return f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the rank, unless it has ended; SIGKILL to all that it has started, too."""
        if self.ended:  # its number may be another process's by now
            return
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    def note_end(self) -> bool:
        """Whether it has ended since the last call. What a rank that failed has started is ended with it."""
        if self.ended or self.process.poll() is None:
            return False
        if self.process.returncode != 0:
            self.send(signal.SIGKILL)
        self.ended = True
        return True


def start_rank(
    place: RankPlace, command: Sequence[str], environment: Mapping[str, str], log: Path | None, *, append: bool
) -> RankProcess:
    """Start one rank in a session of its own, so that Ctrl-C reaches it once, through the supervisor."""
    with ExitStack() as files:
        output = None
        if log is not None:
            environment = {"PYTHONUNBUFFERED": "1", **environment}
            if not append:
                log.unlink(missing_ok=True)  # another run may still write there; this one is refused later
            output = files.enter_context(log.open("ab"))
        process = subprocess.Popen(  # nosec B603
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
    return RankProcess(place.index, process, log)


def _die_with_parent() -> Callable[[], None]:
    """A function for the child: the system kills it when this process ends, even by SIGKILL."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    parent = os.getpid()

    def tie() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(EXIT_LOST)

    return tie


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
