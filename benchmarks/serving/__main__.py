r"""B10: one model with several heads, served: rows/s of heads, latency, reloads under load, hostile clients, fuzzing.

    python -m benchmarks.serving --data DATA/atis --model pretrain/minilm-l6-en --peers .peers

It trains six heads on one encoder for a minute, then measures part by part, about 25 minutes in all on two cores:

    heads     rows/s of one, two and six heads from one pass of the encoder, and from a model per head
    engines   two heads in PALM's kernels, ONNX Runtime, OpenVINO, and pipelines of transformers
    answers   answers over HTTP against those of `palm pred`, to the last printed digit
    clients   requests/s, p50 and p99 of 1, 8 and 64 clients, with two and six heads
    hostile   the same of healthy clients beside slow, large and malformed requests
    fuzz      beside 10,000 requests of schemathesis, none of which may be answered with a 5xx
    reloads   ten minutes under load with reloads: failed requests, and memory

`--only` names some of them. `--work` keeps the run for the next time. The load generator uses plain sockets; the
latency of a client is the time from its request to its whole answer. Each part is recorded when it is done, and the
pages are written from the record: `python -m benchmarks.serving.report` does that again.
"""

import sys
import tempfile
import time
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.serving import parts
from benchmarks.serving.heads import Workload, engines, heads_of_one_model, rates_of
from benchmarks.serving.models import prepare, train_run
from benchmarks.serving.report import SIZING, read_parts, record_file, write_pages, write_record
from benchmarks.serving.text_laps import texts_of
from benchmarks.speed.lineup import Lineup, lineup_of, parser_of, plan_of
from benchmarks.speed.results import command_line
from benchmarks.speed.side_by_side import Plan

Part = Callable[[], dict[str, Any]]
PARTS = ("heads", "engines", "answers", "clients", "hostile", "fuzz", "reloads")
_MOST_SHOWN = 400


def parts_of(lineup: Lineup, load: Workload, plan: Plan, args: Namespace) -> dict[str, Part]:
    """Each part by its name."""
    job = parts.Job(
        run=load.run,
        texts=texts_of(load.file),
        work=load.work,
        rounds=plan.rounds,
        seconds=args.seconds,
        minutes=args.minutes,
        fuzzed=args.fuzz,
    )
    return {
        "heads": lambda: rates_of(heads_of_one_model(lineup, load), plan),
        "engines": lambda: rates_of(engines(lineup, load), plan),
        "answers": lambda: parts.answers(job),
        "clients": lambda: parts.clients(job),
        "hostile": lambda: parts.hostile(job),
        "fuzz": lambda: parts.fuzz(job),
        "reloads": lambda: parts.reloads(job),
    }


def parser() -> ArgumentParser:
    """The options."""
    found = parser_of(__doc__, Plan(rounds=3, steps=2, warm_up=1))
    found.add_argument("--data", type=Path, required=True, help="folder data/atis of JointBERT")
    found.add_argument("--work", type=Path, help="folder for the run and the graphs, used again where it has them")
    found.add_argument("--seconds", type=float, default=10, help="of each load")
    found.add_argument("--minutes", type=float, default=10, help="under load with reloads")
    found.add_argument("--fuzz", type=int, default=10_000, help="requests of schemathesis")
    found.add_argument("--sizing", type=Path, default=SIZING, help="the page whose sizing is written")
    return found


def main() -> None:
    args = parser().parse_args()
    chosen, args.only = args.only, []  # the parts are chosen, and all participants of each take part
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        raise SystemExit(f"--only: takes parts: {', '.join(PARTS)}. Found {', '.join(unknown)}.")
    began = time.perf_counter()
    with ExitStack() as stack:
        work = args.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="palm-serving-")))
        work.mkdir(parents=True, exist_ok=True)
        lineup = stack.enter_context(lineup_of(args))
        plan = plan_of(args)
        file = prepare(args.data, work)
        run = work / "run"
        if not (run / "infer_model").is_dir():
            seconds, trained = _told("training", lambda: {"run": str(train_run(lineup.model, work))})
            if trained is None:
                raise SystemExit("the run that is to be served was not trained; see above")
        runs = parts_of(lineup, Workload(run.resolve(), file, work), plan, args)
        record = record_file(args.results)
        measured = read_parts(record)
        failed = []
        for name in chosen or PARTS:
            seconds, numbers = _told(name, runs[name])
            if numbers is None:
                failed.append(name)
                continue
            facts = lineup.facts(plan)
            measured[name] = {"command": command_line(), "facts": facts, "seconds": round(seconds), "numbers": numbers}
            write_record(measured, record)
        write_pages(measured, args.results, args.sizing)
    sys.stderr.write(f"all parts: {time.perf_counter() - began:.0f} s; see {record} and {args.results}\n")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; see above")


def _told(name: str, part: Part) -> tuple[float, dict[str, Any] | None]:
    """Run a part; says on stderr when it starts, and how long it took. None where it failed: the others go on."""
    sys.stderr.write(f"== {name}: starting\n")
    began = time.perf_counter()
    numbers = None
    try:
        numbers = part()
        said = str(numbers)[:_MOST_SHOWN]
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        said = f"failed: {error}"
    seconds = time.perf_counter() - began
    sys.stderr.write(f"== {name}: {seconds:.0f} s: {said}\n")
    return seconds, numbers


if __name__ == "__main__":
    main()
