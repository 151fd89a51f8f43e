"""`python -m benchmarks.scale equality|resume|speed|model`: several processes against one."""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_facts
from benchmarks.scale import model, speed
from benchmarks.scale.cases import matrix
from benchmarks.scale.equality import CLOSE, Difference, compare_cases, compare_resumed, random_cases
from benchmarks.scale.report import write_report

HOME = Path(__file__).parents[1]
RESULTS, FIGURE = HOME / "results" / "scale.json", HOME / "figures" / "scale_model.svg"
_AT_ONCE = 28  # cases of one start of the processes


def main(words: Sequence[str] | None = None) -> int:
    """Print a table; keep it in `benchmarks/results/scale.json` and RESULTS.md. 1 if something is not equal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    equality = commands.add_parser("equality", help="losses and parameters of 2 processes against those of 1")
    equality.add_argument("--count", type=int, default=0, help="random configurations besides the matrix of methods")
    equality.add_argument("--seed", type=int, default=1)
    equality.add_argument("--cases", default=":", metavar="A:B", help="some of the matrix, by number")
    commands.add_parser("resume", help="runs of 2 processes that 1, 2 and 4 continue")
    measured = commands.add_parser("speed", help="examples/s of 1 and of 2 processes, and bytes per step")
    measured.add_argument("--sizes", nargs="*", default=list(speed.SIZES), choices=list(speed.SIZES))
    measured.add_argument("--threads", type=int, default=2)
    measured.add_argument("--batch", type=int, default=32)
    measured.add_argument("--steps", type=int, default=10)
    commands.add_parser("model", help="step times on many GPUs, modelled")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as place:
        if options.command == "equality":
            return _equality(Path(place), options)
        if options.command == "resume":
            return _resume(Path(place))
        return _speed(Path(place), options) if options.command == "speed" else _model()


def _equality(folder: Path, options: argparse.Namespace) -> int:
    data = folder / "data"
    first, last = (int(word) if word else None for word in options.cases.split(":"))
    cases = [*matrix(data)[first:last], *random_cases(data, seed=options.seed, count=options.count)]
    found: list[Difference] = []
    for first in range(0, len(cases), _AT_ONCE):
        found += compare_cases(cases[first : first + _AT_ONCE], folder / str(first))
        _print_differences(found[first:])
    random = [each for each in found if each.name.startswith("random")]
    valid = [each for each in random if "ConfigError" not in (each.problem or "")]
    wrong = [each for each in found if not each.equal and (each in valid or each not in random)]
    rows = {each.name: each.__dict__ for each in found if each not in random}
    known = {row["name"]: row for row in _kept().get("equality", {}).get("rows", [])}
    _keep("equality", {"rows": list((known | rows).values())})
    if random:
        _keep("random", _summary(options.seed, valid))
    print(f"{len(found) - len(wrong) - (len(random) - len(valid))} equal within {CLOSE:g}, {len(wrong)} not")
    return int(bool(wrong))


def _summary(seed: int, valid: Sequence[Difference]) -> dict[str, object]:
    """What is published of random configurations."""
    return {
        "seed": seed,
        "valid": len(valid),
        "loss": max((each.loss for each in valid), default=0.0),
        "parameter": max((each.parameter for each in valid), default=0.0),
        "unequal": [each.name for each in valid if not each.equal],
    }


def _print_differences(found: Sequence[Difference]) -> None:
    for each in found:
        print(f"{each.name:35} {each.steps:4} {each.loss:9.1e} {each.parameter:9.1e} {each.problem or ''}", flush=True)


def _resume(folder: Path) -> int:
    found = compare_resumed(folder)
    for each in found:
        bits = "same bits" if each.bits else ""
        print(f"{each.name:25} by {each.count} {each.loss:9.1e} {each.parameter:9.1e} {bits:9} {each.problem or ''}")
    _keep("resume", {"rows": [each.__dict__ for each in found]})
    return int(not all(each.as_expected for each in found))


def _speed(folder: Path, options: argparse.Namespace) -> int:
    found = []
    for name in options.sizes:
        for count in (1, 2):
            measured = speed.measure(
                name, folder / name, count=count, threads=options.threads, batch=options.batch, steps=options.steps
            )
            found.append({**measured, "examples_per_second": options.batch / measured["step"]})
            print(json.dumps(found[-1]), flush=True)
    _keep("speed", {"rows": found})
    return 0


def _model() -> int:
    measured = [row for row in _kept()["speed"]["rows"] if row["processes"] == 2]
    modelled = model.rows(measured, batch=32, tokens=128)
    for row in modelled:
        print(
            f"{row['size']:22} {row['link']:18} {row['processes']:3} {row['step'] * 1e3:8.2f} ms {row['speed']:6.1f} x"
        )
    _keep("model", {"rows": modelled})
    model.plot(modelled, FIGURE)
    return 0


def _kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def _keep(part: str, results: Mapping[str, object]) -> None:
    """Put the results of a command into the file, with the machine that they are of."""
    facts = machine_facts(["paddlepaddle", "numpy"])
    text = json.dumps({**_kept(), part: {**facts, **results}}, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    write_report(_kept(), HOME / "RESULTS.md")


if __name__ == "__main__":
    sys.exit(main())
