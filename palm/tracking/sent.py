"""What the run of a tracker has been sent: what a resumed run trains again is not sent twice."""

import math
import time
from collections import deque
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from palm.tracking.scalars import TIMINGS

SETTLED = 10.0
"""Seconds after which a tracker has numbers for good, even if the process is killed: they send them in batches."""


class SentNumbers:
    """The numbers that a tracker has, in a file beside its run: a line for each call, with two digests.

    A resumed run trains the steps after its checkpoint again, to the same bits, so that what the tracker has of them
    can be left out; timings, which differ, are left out with it. What a killed process sent at the very last may not
    have arrived: it is sent again.

    Args:
        file: The file.
        up_to: The global step up to which the tracker has kept what it was sent: 0 of a new run in the tracker, which
            has nothing; infinity of one that forgets nothing.

    Raises:
        OSError: The file cannot be read or written.
    """

    def __init__(self, file: Path, *, up_to: float) -> None:
        self._file = file
        self._known = _known(file, up_to)
        self._waiting: deque[tuple[float, str]] = deque()
        if math.isfinite(up_to):
            lines = (_line(step, names, values) for (step, names), values in self._known.items())
            file.write_text("".join(lines), encoding="utf-8")

    def value_of(self, scalars: Mapping[str, float], global_step: int) -> bool | None:
        """Whether the tracker has exactly these numbers of the step; None if it has none by their names."""
        names, values = _digests(scalars)
        known = self._known.get((global_step, names))
        return None if known is None else known == values

    def add(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Note what was sent now, and write what has settled."""
        self._waiting.append((time.monotonic(), _line(global_step, *_digests(scalars))))
        self.settle(before=time.monotonic() - SETTLED)

    def settle(self, *, before: float = float("inf")) -> None:
        """Write what was sent before a time; at the end of a run all of it, once the tracker has ended."""
        lines = []
        while self._waiting and self._waiting[0][0] < before:
            lines.append(self._waiting.popleft()[1])
        if lines:
            with self._file.open("a", encoding="utf-8") as file:
                file.writelines(lines)


def _known(file: Path, up_to: float) -> dict[tuple[int, str], str]:
    """What the file has of steps up to one; a line that was not written to its end is as good as none."""
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    lines = [line.split(" ") for line in text.split("\n")[:-1]]
    of_step = ((line, int(line[0])) for line in lines if len(line) == 3 and line[0].isdecimal())
    return {(step, names): values for (_, names, values), step in of_step if step <= up_to}


def _line(global_step: int, names: str, values: str) -> str:
    return f"{global_step} {names} {values}\n"


def _digests(scalars: Mapping[str, float]) -> tuple[str, str]:
    """Of the names, and of the values that do not measure time."""
    compared = sorted((name, value) for name, value in scalars.items() if name not in TIMINGS)
    names, values = ([pair[part] for pair in compared] for part in (0, 1))
    return _digest(names), _digest(values)


def _digest(parts: list[str | float]) -> str:
    return blake2b("\n".join(map(str, parts)).encode(), digest_size=8).hexdigest()
