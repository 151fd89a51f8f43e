"""Tables, goals and the sections of RESULTS.md, each rewritten by its script."""

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"

_HEADING = """# Results of the benchmarks

Each section is rewritten by the script in its command; remarks from profiling follow its end marker.
[docs/benchmarks.md](../docs/benchmarks.md) describes the measurements.
"""


@dataclass(frozen=True)
class Goal:
    """The target of a measurement.

    Attributes:
        what: Such as `PALM float32 / PyTorch eager`.
        found: The measured value; None if not measurable on this machine.
        target: The smallest acceptable value.
        at_most: Whether `target` is the largest acceptable value instead.
    """

    what: str
    found: float | None
    target: float
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if unknown."""
        if self.found is None:
            return None
        return self.found <= self.target if self.at_most else self.found >= self.target

    def row(self) -> tuple[str, str, str, str]:
        """Name, target, measured value, and whether the target is met."""
        sign = "≤" if self.at_most else "≥"
        verdict = {True: "met", False: "**missed**", None: "not measured here"}[self.met]
        found = "–" if self.found is None else f"{self.found:.2f}"
        return self.what, f"{sign} {self.target:g}", found, verdict


@dataclass(frozen=True)
class Result:
    """One benchmark's outcome.

    Attributes:
        name: Name of the script and of the section.
        title: Heading of the section.
        facts: Machine, date, versions, settings.
        tables: Markdown tables and lines.
        goals: The targets.
        numbers: The same numbers, for programs.
    """

    name: str
    title: str
    facts: Mapping[str, str]
    tables: Sequence[str]
    goals: Sequence[Goal]
    numbers: Mapping[str, object]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table; all columns but the first are aligned to the right."""
    ruler = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ruler, *rows))


def command_line() -> str:
    """The running command."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["-m", module.name] if module else sys.argv[:1]
    return shlex.join(["python", *program, *sys.argv[1:]])


def section(result: Result, command: str) -> str:
    """The section of `result`, without its markers."""
    facts = "; ".join(f"{name} {value}" for name, value in result.facts.items())
    parts = [f"## {result.title}", f"```bash\n{command}\n```", facts, *result.tables]
    if result.goals:
        parts.append(table(("goal", "target", "measured", ""), [goal.row() for goal in result.goals]))
    return "\n\n".join(parts)


def put_section(text: str, name: str, body: str) -> str:
    """`text` with the section `name` replaced by `body`, or appended if missing."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    block = f"{begin}\n{body}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: block, text, count=1)
    return f"{text.rstrip()}\n\n{block}\n"


def publish(result: Result, file: Path = RESULTS) -> None:
    """Print the section, write it to `file`, and the numbers to `results/<name>.json` next to it."""
    command = command_line()
    body = section(result, command)
    text = file.read_text(encoding="utf-8") if file.exists() else _HEADING
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(put_section(text, result.name, body), encoding="utf-8")
    goals = [{"what": one.what, "wanted": one.target, "found": one.found, "met": one.met} for one in result.goals]
    record = {"command": command, **result.facts, "figures": result.numbers, "goals": goals}
    text = json.dumps(record, ensure_ascii=False, indent=1)
    target = file.parent / "results" / f"{result.name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text + "\n", encoding="utf-8")
    print(f"{body}\n\n{text}")
