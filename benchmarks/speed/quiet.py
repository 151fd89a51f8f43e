"""One benchmark at a time, on a machine that does nothing else: a lock, and a look at how busy the processors are."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.machine import Facts

LOCK = Path(tempfile.gettempdir()) / "palm-benchmark.lock"
# Set for the benchmarks of a set, whose parent holds the lock.
HELD = "PALM_BENCHMARK_LOCK"
LIMIT = 0.15
_LOOK, _AGAIN = 2.0, 10.0


@contextmanager
def quiet_machine(*, limit: float, wait: float) -> Iterator[Facts]:
    """Hold the lock of the benchmarks once nothing else runs; yields the load, to be written beside the results.

    Args:
        limit: Cores that other processes may keep busy.
        wait: Seconds to wait for the lock and for a quiet machine.

    Raises:
        SystemExit: Another benchmark runs, or the machine stays busy.
    """
    until = time.monotonic() + wait
    if os.environ.get(HELD):
        yield {"load": _load(wait_until_quiet(limit, until))}
        return
    lock = FileLock(LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(f"waiting for another benchmark, which holds {LOCK}")
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise SystemExit(f"{LOCK}: another benchmark still runs after {wait:.0f} s. Wait for its end.") from None
    os.environ[HELD] = "held"
    try:
        yield {"load": _load(wait_until_quiet(limit, until))}
    finally:
        del os.environ[HELD]
        lock.release()


def wait_until_quiet(limit: float, until: float) -> float:
    """Busy cores, once they are at most `limit`.

    Raises:
        SystemExit: They are more at the time `until` of the monotonic clock.
    """
    while (busy := busy_cores(_LOOK)) > limit:
        if time.monotonic() >= until:
            rule = f"--load: other processes may keep {limit:g} cores busy."
            raise SystemExit(f"{rule} Found {busy:.2f}. End them, or raise --load (the results then say so) or --wait.")
        _say(f"waiting: other processes keep {busy:.2f} cores busy (--load {limit:g})")
        time.sleep(_AGAIN)
    return busy


def busy_cores(seconds: float) -> float:
    """Cores that were busy, on average over `seconds` from now on; this process sleeps meanwhile."""
    before = _busy_seconds()
    time.sleep(seconds)
    return (_busy_seconds() - before) / seconds


def _busy_seconds(file: Path = Path("/proc/stat")) -> float:
    """Processor time of all processes so far: user, nice, system, irq, softirq, steal (see proc(5))."""
    fields = [int(value) for value in file.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _load(busy: float) -> str:
    return f"{busy:.2f} cores busy before the first turn, average of the last minute {os.getloadavg()[0]:.2f}"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
