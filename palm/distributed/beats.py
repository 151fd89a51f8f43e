"""What a rank tells the others about itself several times per second, and who of them is lost, judged by it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from palm.distributed.reports import LostRank

PATIENCE = 0.85
"""Part of the timeout after which a rank is lost: the rest is for the news to reach every rank within it."""

_MANY_STEPS = 2.0
_FIRST_STEP = 3.0
_NOTICE = 60.0


@dataclass(frozen=True)
class Beat:
    """The state of a rank.

    Attributes:
        number: Counts the beats.
        host: Name of its machine.
        pid: Its process id there.
        activity: What its main thread does, such as `step 12`.
        limited: Whether the others may give it up if it does that for too long.
        meeting: Number of the last meeting of all ranks that it came to.
        waiting: What it waits for, from other ranks; empty if it computes.
        where: File and line of its main thread.
        busy: Whether its main thread has used the processor since the last beat.
        failed: How it failed, such as `raised DataError: …`; empty while it has not.
        done: Whether it needs the others no more.
        ended: Ranks of its machine that have ended, and how, as its supervisor says.
    """

    number: int
    host: str
    pid: int
    activity: str = ""
    limited: bool = False
    meeting: int = 0
    waiting: str = ""
    where: str = ""
    busy: bool = True
    failed: str = ""
    done: bool = False
    ended: Mapping[int, str] = field(default_factory=dict)

    @property
    def doing(self) -> str:
        """`step 12, waiting for the gradients of all ranks`."""
        return f"{self.activity}, waiting for {self.waiting}" if self.waiting else self.activity

    def as_json(self) -> str:
        """For the store."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Beat":
        """From the store."""
        given = json.loads(text)
        return cls(**{**given, "ended": {int(index): how for index, how in given["ended"].items()}})


@dataclass(frozen=True)
class News:
    """What rank 0 tells the others.

    Attributes:
        number: Counts the news.
        first: The last beat of rank 0.
        living: Ranks that still train.
        lost: Ranks that are lost; all stop then.
    """

    number: int
    first: Beat
    living: Sequence[int]
    lost: Sequence[LostRank] = ()

    def as_json(self) -> str:
        """For the store."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "News":
        """From the store."""
        given = json.loads(text)
        first = Beat.from_json(json.dumps(given["first"]))
        return cls(given["number"], first, given["living"], [LostRank(**rank) for rank in given["lost"]])


def lost_rank(index: int, beat: Beat, why: str) -> LostRank:
    """A lost rank, from its last beat."""
    return LostRank(index, beat.host, beat.pid, beat.doing, why)


def silent_for(seconds: float) -> str:
    """`has not answered for 9 s`."""
    return f"has not answered for {seconds:.0f} s"


@dataclass
class _Seen:
    beat: Beat
    answered_at: float
    progress_at: float


class Judge:
    """Knows since when each rank has not answered, or not moved on.

    Process and progress are distinguished. A process that beats is alive, whatever its main thread computes: it is lost
    only if others wait for it, it is within a training step, and they wait longer than the timeout and than twice the
    longest step so far (before the first one has ended, three timeouts). Evaluations, exports, checkpoints and reading
    data are no training step and have no limit.

    Args:
        timeout: Seconds within which a lost rank is named.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._seen: dict[int, _Seen] = {}
        self._noticed: dict[int, float] = {}
        self.longest_step = 0.0

    @property
    def living(self) -> list[int]:
        """The ranks that still train, as far as they say."""
        return sorted(index for index, seen in self._seen.items() if not seen.beat.done)

    @property
    def limit(self) -> float:
        """Seconds for which others wait for a rank within a training step."""
        steps = _MANY_STEPS * self.longest_step if self.longest_step else _FIRST_STEP * self._timeout
        return max(PATIENCE * self._timeout, steps)

    def see(self, index: int, beat: Beat, now: float) -> None:
        """Take note of the newest beat of a rank."""
        seen = self._seen.get(index)
        if seen is None:
            self._seen[index] = _Seen(beat, now, now)
            return
        if _position(beat) != _position(seen.beat):
            seen.progress_at = now
        if beat.number != seen.beat.number:
            seen.answered_at = now
        seen.beat = beat

    def pass_over(self, seconds: float) -> None:
        """Leave out a time in which this process itself was stopped."""
        for seen in self._seen.values():
            seen.answered_at += seconds
            seen.progress_at += seconds

    def lost(self, now: float) -> list[LostRank]:
        """The ranks that are lost."""
        found = {**self._hung(now), **self._left(), **self._silent(now), **self._ended(), **self._failed()}
        return [lost_rank(index, self._seen[index].beat, found[index]) for index in sorted(found)]

    def notices(self, now: float) -> list[str]:
        """Ranks that others have been waiting for since long, without a limit: told at 1, 2, 4 … minutes."""
        lines = []
        for index, seen in self._not_waiting() if self._waiting() else ():
            seconds = now - seen.progress_at
            if seconds >= self._noticed.get(index, _NOTICE):
                self._noticed[index] = 2 * seconds
                what = seen.beat.activity or "work of its own"
                lines.append(f"The ranks wait for rank {index}: {what} for {seconds:.0f} s, {_main_thread(seen.beat)}.")
            elif seconds < _NOTICE:
                self._noticed.pop(index, None)
        return lines

    def _failed(self) -> dict[int, str]:
        return {index: seen.beat.failed for index, seen in self._seen.items() if seen.beat.failed}

    def _ended(self) -> dict[int, str]:
        ended: dict[int, str] = {}
        for seen in self._seen.values():
            ended |= seen.beat.ended
        return {index: how for index, how in ended.items() if index in self._seen and not self._seen[index].beat.done}

    def _silent(self, now: float) -> dict[int, str]:
        silent = {index: now - seen.answered_at for index, seen in self._seen.items() if not seen.beat.done}
        return {index: silent_for(time) for index, time in silent.items() if time > PATIENCE * self._timeout}

    def _left(self) -> dict[int, str]:
        """Ranks that have ended while others wait for them in a meeting."""
        awaited = max((seen.beat.meeting for _, seen in self._waiting()), default=0)
        gone = ((index, seen) for index, seen in self._seen.items() if seen.beat.done)
        return {index: "has ended before the others" for index, seen in gone if seen.beat.meeting < awaited}

    def _hung(self, now: float) -> dict[int, str]:
        """Ranks that do not come to a meeting where others wait for them."""
        waiting = self._waiting()
        awaited = max((seen.beat.meeting for _, seen in waiting), default=0)
        came = [seen.progress_at for _, seen in waiting if seen.beat.meeting == awaited]
        waited = now - min(came) if came else 0.0
        found = {}
        for index, seen in self._not_waiting():
            late = seen.beat.meeting < awaited and seen.beat.limited
            if late and min(waited, now - seen.progress_at) > self.limit:
                others = f"does not come to where the others have waited for {waited:.0f} s"
                found[index] = f"{others}, {_main_thread(seen.beat)}"
        return found

    def _waiting(self) -> list[tuple[int, _Seen]]:
        return [(index, seen) for index, seen in self._seen.items() if seen.beat.waiting]

    def _not_waiting(self) -> list[tuple[int, _Seen]]:
        return [(index, seen) for index, seen in self._seen.items() if not seen.beat.waiting and not seen.beat.done]


def _position(beat: Beat) -> Beat:
    """What of a beat is progress of the main thread."""
    return replace(beat, number=0, where="", busy=True, ended={}, failed="")


def _main_thread(beat: Beat) -> str:
    """`its main thread computes at train.py:12`."""
    return f"its main thread {'computes' if beat.busy else 'stands still'} at {beat.where}"
