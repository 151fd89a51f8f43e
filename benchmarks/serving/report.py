"""The record of all parts, and what is written from it: a section of RESULTS.md, and the sizing of docs/serving.md.

    python -m benchmarks.serving.report

writes both again from `benchmarks/results/serving.json`.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.serving.heads import ON_ONNX, TOGETHER, rates_table
from benchmarks.serving.parts import growth_of
from benchmarks.serving.server import Summary
from benchmarks.speed.results import RESULTS, Goal, put_section, table
from benchmarks.speed.side_by_side import ROOT

SIZING = ROOT / "docs" / "serving.md"
NAME = "serving"
TITLE = "B10: several heads of one model, served"
_LATE_OR_BROKEN = "healthy p99 beside"
Parts = Mapping[str, Mapping[str, Any]]


def record_file(results: Path) -> Path:
    """Where the numbers lie, beside the Markdown file."""
    return results.parent / "results" / f"{NAME}.json"


def read_parts(file: Path) -> dict[str, dict[str, Any]]:
    """The parts that were measured so far."""
    if not file.is_file():
        return {}
    parts: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["figures"]
    return parts


def write_record(parts: Parts, file: Path) -> None:
    """Write the numbers of all parts, and the goals."""
    goals = [{"what": one.what, "wanted": one.target, "found": one.found, "met": one.met} for one in goals_of(parts)]
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"figures": parts, "goals": goals}, ensure_ascii=False, indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def clients_table(found: Mapping[str, Summary]) -> str:
    """Rate and latency, a row per load."""
    rows = [
        (
            name,
            f"{each['requests_per_second']:,.0f}",
            f"{each['p50_ms']:.1f}",
            f"{each['p99_ms']:.1f}",
            str(each["failed"]),
        )
        for name, each in found.items()
    ]
    return table(("", "requests/s", "p50 ms", "p99 ms", "failed"), rows)


def goals_of(parts: Parts) -> list[Goal]:
    """What the issue asks for; a part that was not measured has no goal."""
    found: list[Goal] = []
    if "heads" in parts:
        rates = parts["heads"]["numbers"]
        for count in (2, 6):
            cost = rates["participants"].get(TOGETHER[count], {}).get("time_to_first")
            found.append(Goal(f"time of {count} heads from one pass / of one", cost, 1.15, at_most=True))
            onnx = rates["time_to_one_onnx_head"].get(ON_ONNX[count])
            found.append(Goal(f"the same with ONNX Runtime, {count} heads", onnx, 1.15, at_most=True))
    if "answers" in parts:
        different = float(parts["answers"]["numbers"]["different"])
        found.append(Goal("answers that differ from `palm pred`", different, 0, at_most=True))
    if "reloads" in parts:
        numbers = parts["reloads"]["numbers"]
        failed = float(numbers["load"]["failed"])
        found.append(Goal("failed requests under load with reloads", failed, 0, at_most=True))
        found.append(Goal("memory, last third / second third", growth_of(numbers["memory_mb"]), 1.05, at_most=True))
    for name, what in (("hostile", "hostile clients"), ("fuzz", "fuzzed requests")):
        if name in parts:
            numbers = parts[name]["numbers"]
            slower = numbers["beside"]["p99_ms"] / numbers["alone"]["p99_ms"]
            found.append(Goal(f"healthy p99 beside {what} / alone", slower, 2, at_most=True))
    if "fuzz" in parts:
        errors = float(parts["fuzz"]["numbers"]["server_errors"])
        found.append(Goal("server errors of fuzzed requests", errors, 0, at_most=True))
    return found


def _body_of(name: str, numbers: Mapping[str, Any]) -> str:
    """The table or lines of one part."""
    if name in ("heads", "engines"):
        return rates_table(dict(numbers))
    if name == "clients":
        return clients_table(numbers["loads"])
    if name == "answers":
        return f"{numbers['compared']:,} answers compared with those of `palm pred`: {numbers['different']} differ."
    if name == "hostile":
        return clients_table({"healthy clients alone": numbers["alone"], "beside hostile ones": numbers["beside"]})
    if name == "fuzz":
        sent = ", ".join(f"{status}: {count:,}" for status, count in numbers["statuses"].items())
        lines = f"schemathesis: {numbers['requests']:,} requests, by status {sent}."
        loads = {"healthy clients alone": numbers["alone"], "beside schemathesis": numbers["beside"]}
        return f"{clients_table(loads)}\n\n{lines}"
    memory = numbers["memory_mb"]
    after = memory["after_reloads"]
    line = f"Memory: {memory['at_start']:,} MB at the start, {memory['at_end']:,} MB at the end"
    if after:
        line += f"; after each reload {', '.join(f'{each:,}' for each in after)} MB"
    loads = {f"{numbers['reloads']} reloads in {numbers['seconds'] / 60:g} minutes": numbers["load"]}
    return f"{clients_table(loads)}\n\n{line}."


_HEADINGS = {
    "heads": "Heads of one model, and a model per head",
    "engines": "Two heads in other engines",
    "answers": "Answers",
    "clients": "Clients",
    "hostile": "Slow, large and malformed requests",
    "fuzz": "Fuzzed requests",
    "reloads": "Reloads under load",
}


def section_of(parts: Parts) -> str:
    """The section of RESULTS.md."""
    blocks = [f"## {TITLE}"]
    for name, heading in _HEADINGS.items():
        if name in parts:
            part = parts[name]
            facts = "; ".join(f"{key} {value}" for key, value in part["facts"].items())
            told = f"```bash\n{part['command']}\n```\n\n{facts}; this part took {part['seconds']:,.0f} s"
            blocks.append(f"### {heading}\n\n{told}\n\n{_body_of(name, part['numbers'])}")
    goals = goals_of(parts)
    if goals:
        blocks.append(table(("goal", "target", "measured", ""), [goal.row() for goal in goals]))
    return "\n\n".join(blocks)


def sizing_of(parts: Parts) -> str:
    """The numbers of docs/serving.md."""
    blocks = []
    if "heads" in parts:
        facts = parts["heads"]["facts"]
        where = f"{facts.get('cpu', '')}, {facts.get('threads', '?')} threads, {facts.get('date', '')}"
        what = "Texts of ATIS (11 words on average) with MiniLM (6 layers of 384) in batches of 32"
        blocks.append(f"{what}, in float32 where no other precision is named; {where}:")
        blocks.append(rates_table(parts["heads"]["numbers"]))
    if "engines" in parts:
        blocks.append(f"Two heads in other engines:\n\n{rates_table(parts['engines']['numbers'])}")
    if "clients" in parts:
        numbers = parts["clients"]["numbers"]
        intro = f"Clients that send one text each, over HTTP; the server's memory is {numbers['memory_mb']:,} MB:"
        blocks.append(f"{intro}\n\n{clients_table(numbers['loads'])}")
    for name in ("reloads", "hostile", "fuzz"):
        if name in parts:
            blocks.append(f"{_HEADINGS[name]}:\n\n{_body_of(name, parts[name]['numbers'])}")
    return "\n\n".join(blocks)


def write_pages(parts: Parts, results: Path, sizing: Path) -> None:
    """Write the sections of both files."""
    text = results.read_text(encoding="utf-8") if results.is_file() else ""
    results.write_text(put_section(text, NAME, section_of(parts)), encoding="utf-8")
    page = sizing.read_text(encoding="utf-8")
    sizing.write_text(put_section(page, "sizing", sizing_of(parts)), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the Markdown file; the record lies beside it")
    parser.add_argument("--sizing", type=Path, default=SIZING, help="the page with the sizing")
    args = parser.parse_args()
    parts = read_parts(record_file(args.results))
    if not parts:
        raise SystemExit(f"{record_file(args.results)}: no numbers; run python -m benchmarks.serving first")
    write_pages(parts, args.results, args.sizing)


if __name__ == "__main__":
    main()
