"""What happened in a run besides its steps: resumes, skipped batches, rollbacks, early stops, read from log.txt.

metrics.jsonl is rewritten by a run that resumes; log.txt keeps all lines.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from palm.storage.layout import LOG_FILE

EventKind = Literal[
    "resumed", "anew", "processes", "stopped", "lost", "restarted", "skipped", "overflow", "restored", "early stop",
    "exported", "warning", "changed", "data wait", "checkpoint",
]  # fmt: skip

_KINDS: tuple[tuple[EventKind, re.Pattern[str]], ...] = (
    ("resumed", re.compile(r"Resumed from .+ at global step (?P<step>\d+)\.")),
    ("anew", re.compile(r"No checkpoint to resume from: training starts anew\.|An earlier run's .+ moved to ")),
    ("processes", re.compile(r"The run was started with \d+ processes? and continues with \d+")),
    ("stopped", re.compile(r"Stopped by \w+ after global step (?P<step>\d+)\.")),
    ("lost", re.compile(r"rank \d+ \([^,]+, pid \d+\) ")),
    ("restarted", re.compile(r"Restart \d+ of \d+, ")),
    ("overflow", re.compile(r"Global step (?P<step>\d+), task (?P<task>.+?): a gradient overflowed in float16")),
    ("skipped", re.compile(r"global step (?P<step>\d+), task (?P<task>.+?), step \d+/\d+ \(epoch \d+\), .*skipped\.$")),
    ("restored", re.compile(r"Restored the weights of ")),
    ("early stop", re.compile(r"(?P<task>.+?): stops early after global step (?P<step>\d+)")),
    ("exported", re.compile(r"(?P<task>.+?): exported as at global step \d+, its best ")),
    ("changed", re.compile(r"Changed since the run was started: |Training goes on with other rows\.")),
    ("data wait", re.compile(r"Training waited for data [\d.]+ % of the time\.")),
    ("checkpoint", re.compile(r"checkpoint saved at .*step_(?P<step>\d+)$")),
    ("warning", re.compile(r"Warning: ")),
)
_STEP = re.compile(r"Global step: (\d+)\. Task: (.+), step (\d+)/(\d+) \(epoch (\d+)\), loss: ")
_TRAINER_STEP = re.compile(r"global step: (\d+), (.+): step (\d+)/(\d+) \(epoch (\d+)\), loss: ")


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        kind: What.
        global_step: When; that of the last logged step where the line has none.
        task: Whom it concerns; None for the whole run.
        text: The line of the log.
    """

    kind: EventKind
    global_step: int
    task: str | None
    text: str


@dataclass
class LogFacts:
    """What log.txt says.

    Attributes:
        events: What happened, in order; of checkpoints there may be many.
        steps_per_epoch: By task.
        sessions: How often the run was started or resumed, at least 1 for a log with any line.
        last_step: The global step of the last line that has one.
    """

    events: list[Event] = field(default_factory=list)
    steps_per_epoch: dict[str, int] = field(default_factory=dict)
    sessions: int = 0
    last_step: int = 0

    def add(self, line: str) -> None:
        """Add a line of the log."""
        self.sessions = self.sessions or 1
        logged = _STEP.match(line) or _TRAINER_STEP.match(line)
        if logged is not None:
            self.last_step = int(logged[1])
            self.steps_per_epoch[logged[2]] = int(logged[4])
            return
        for event in _event(line.rstrip("\n"), self.last_step):
            self.last_step = event.global_step
            self.events.append(event)
            self.sessions += event.kind == "resumed"

    def of(self, *kinds: EventKind) -> list[Event]:
        """The events of some kinds."""
        return [event for event in self.events if event.kind in kinds]


def read_log(folder: Path) -> LogFacts:
    """Read the log of a run, line by line; empty without one."""
    file = folder / LOG_FILE
    if not file.is_file():
        return LogFacts()
    with file.open(encoding="utf-8", errors="replace") as lines:
        return facts_of_log(lines)


def facts_of_log(lines: Iterable[str]) -> LogFacts:
    """What the lines of a log say."""
    facts = LogFacts()
    for line in lines:
        facts.add(line)
    return facts


def _event(line: str, step: int) -> Iterator[Event]:
    for kind, pattern in _KINDS:
        found = pattern.match(line)
        if found is not None:
            named = found.groupdict()
            yield Event(kind, int(named.get("step") or step), named.get("task"), line)
            return
