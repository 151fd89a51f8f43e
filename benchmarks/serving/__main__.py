r"""B10: one model with several heads, served: rows/s of heads, latency, reloads under load, hostile clients, fuzzing.

    python -m benchmarks.serving --data DATA/atis --model pretrain/minilm-l6-en --peers .peers

It trains six heads on one encoder for a few steps (`--run` takes a run that has them), then measures in turn: one, two
and six heads from one pass of the encoder, and from a model per task; other engines with two heads; and `palm serve`
under load from a generator over plain sockets. Latency of a client is the time from its request to its whole answer.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.serving.hostile import beside_hostile_clients, fuzz
from benchmarks.serving.models import ONE, SIX, TWO, prepare, train_run
from benchmarks.serving.server import Server, Summary, measure, serving, under_load, write_bodies
from benchmarks.serving.text_laps import texts_of
from benchmarks.speed.lineup import Lineup, lineup_of, parser_of, plan_of
from benchmarks.speed.results import Goal, Result, publish, table
from benchmarks.speed.side_by_side import ROOT, Participant, Plan, Race, race, ratio

PALM_WORKER, PEER_WORKER = "benchmarks.serving.heads_worker", "benchmarks.serving.peer_worker"
CLIENTS = (1, 8, 64)
RELOAD_SECONDS, MEMORY_SECONDS = 20.0, 5.0
STEADY_CLIENTS = HEALTHY_CLIENTS = 8
# Heads → the name of the participant that predicts with them from one pass.
TOGETHER = {1: "PALM, 1 head", 2: "PALM, 2 heads", 6: "PALM, 6 heads"}
SEPARATE = {2: "PALM, 2 models", 6: "PALM, 6 models"}
INT8, BF16, ONNX = "PALM int8, 2 heads", "PALM bf16, 2 heads", "PALM, ONNX Runtime, 2 heads"
PEERS = {
    "ONNX Runtime float32, PALM's graph of 2 heads": ("onnxruntime", "float32"),
    "ONNX Runtime int8, PALM's graph of 2 heads": ("onnxruntime", "int8"),
    "OpenVINO, PALM's graph of 2 heads": ("openvino", "float32"),
    "transformers pipeline, 2 models": ("pipeline", ""),
}


def participants(lineup: Lineup, run: Path, file: Path, work: Path) -> list[Participant]:
    """All that predict the file: heads of one model, models of one head, other runtimes, and peers."""
    environment, python = lineup.environment({}), Path(sys.executable)

    def palm(name: str, tasks: tuple[str, ...], **keys: str | bool) -> Participant:
        settings = {"run": str(run), "tasks": list(tasks), "file": str(file), "runtime": "palm", "separate": False}
        return Participant(name, python, PALM_WORKER, {**settings, "precision": "float32", **keys}, environment)

    heads = {1: ONE, 2: TWO, 6: SIX}
    found = [palm(name, heads[count]) for count, name in TOGETHER.items()]
    found += [palm(name, heads[count], separate=True) for count, name in SEPARATE.items()]
    found += [palm(INT8, TWO, precision="int8"), palm(ONNX, TWO, runtime="onnx")]
    found += [palm(BF16, TWO, precision="bf16")] if lineup.bf16 else []
    for name, (engine, precision) in PEERS.items():
        if lineup.only and name not in lineup.only:
            continue
        graph = export(run, precision, work) if precision else None
        settings = {
            "engine": engine,
            "graph": str(graph),
            "model": str(lineup.model.resolve()),
            "file": str(file),
            "threads": lineup.threads,
            "classes": [22, 120],  # of ATIS
        }
        if graph is not None or not precision:
            found.append(Participant(name, lineup.peers, PEER_WORKER, settings, environment))
    return lineup.kept(found)


def export(run: Path, precision: str, work: Path) -> Path | None:
    """PALM's ONNX graph of two heads; None where this version writes none, which stderr says."""
    target = work / f"onnx_{precision}"
    words = ["export", str(run), "--to", "onnx", "--output", str(target), "--tasks", ",".join(TWO)]
    # Heads of a few steps have no accuracy to lose: speed alone is of interest here.
    words += ["--precision", precision, "--max_drop", "100"] if precision != "float32" else []
    if not target.is_dir():
        subprocess.run([sys.executable, "-m", "palm", *words], stdout=sys.stderr, cwd=ROOT, check=False)
    return next(iter(sorted(target.glob("*.onnx"))), None)


def heads_table(found: Race) -> str:
    """Rows per second of each participant, and its time relative to one head."""
    first = found.get(TOGETHER[1])
    rows = [
        (
            name,
            f"{timings.rate():,.0f}",
            f"{ratio(first, timings):.2f}" if first else "–",
            f"{timings.peak_bytes / 1e9:.2f}",
        )
        for name, timings in found.items()
    ]
    rows += [(f"{name} (failed: {reason})", "–", "–", "–") for name, reason in found.failed.items()]
    return table(("", "rows/s", "time / one head", "peak GB"), rows)


def steady(server: Server, minutes: float, bodies: Path) -> tuple[Summary, dict[str, float]]:
    """Minutes under load with a reload now and then; what clients saw, and the memory in MB."""
    until = time.monotonic() + minutes * 60
    memory: list[float] = []
    reloaded = time.monotonic()
    with under_load(server, STEADY_CLIENTS, minutes * 60, bodies) as found:
        while time.monotonic() < until:
            time.sleep(min(MEMORY_SECONDS, max(0.1, until - time.monotonic())))
            memory.append(server.resident_bytes / 1e6)
            if time.monotonic() - reloaded > RELOAD_SECONDS:
                server.reload()
                reloaded = time.monotonic()
    reloads = server.numbers().get('palm_reloads_total{outcome="loaded"}', 0.0)
    third = memory[len(memory) // 3] if memory else 0.0  # by then it has been loaded twice
    return found[0], {"reloads": reloads, "after_a_third": third, "at_the_end": memory[-1], "most": max(memory)}


def clients_table(found: dict[str, Summary]) -> str:
    """Rate and latency by number of clients."""
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


def serve_all(run: Path, texts: list[str], work: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is measured on a running server."""
    bodies = {len(tasks): write_bodies(texts, tasks, work / f"bodies{len(tasks)}.jsonl") for tasks in (TWO, SIX)}
    found: dict[str, Any] = {"clients": {}}
    with serving(run, "--precision", "float32") as server:
        measure(server, 4, 2, bodies[2])  # warm
        for _ in range(args.rounds):  # rounds alternate, so that other load slows all of them
            for heads, file in bodies.items():
                for clients in CLIENTS:
                    name = f"{heads} heads, {clients} clients"
                    found["clients"].setdefault(name, []).append(measure(server, clients, args.seconds, file))
        found["clients"] = {name: _median(each) for name, each in found["clients"].items()}
        found["alone"], found["beside"] = beside_hostile_clients(server, HEALTHY_CLIENTS, args.seconds * 2, bodies[2])
        found["steady"], found["memory"] = steady(server, args.minutes, bodies[2])
    if args.fuzz:
        with serving(run) as server:  # without other requests among those that are counted
            found["fuzz"] = fuzz(server, args.fuzz, work / "schemathesis.txt")
    return found


def _median(rounds: list[Summary]) -> Summary:
    """The round of the median rate, with the failures of all."""
    ordered = sorted(rounds, key=lambda one: float(one["requests_per_second"]))
    return {**ordered[len(ordered) // 2], "failed": sum(int(one["failed"]) for one in rounds)}


def goals_of(heads: Race, served: dict[str, Any]) -> list[Goal]:
    """What issue and docs promise."""
    first = heads.get(TOGETHER[1])
    goals = []
    for count in (2, 6):
        timings = heads.get(TOGETHER[count])
        cost = ratio(first, timings) if first and timings else None
        goals.append(Goal(f"time of {count} heads from one pass / of one", cost, 1.15, at_most=True))
    memory = served["memory"]
    growth = memory["at_the_end"] / memory["after_a_third"] if memory["after_a_third"] else None
    slower = served["beside"]["p99_ms"] / served["alone"]["p99_ms"]
    return [
        *goals,
        Goal("failed requests under load with reloads", float(served["steady"]["failed"]), 0, at_most=True),
        Goal("memory at the end / after a third of the time", growth, 1.05, at_most=True),
        Goal("healthy p99 beside hostile clients / alone", slower, 2, at_most=True),
        Goal("server errors of fuzzed requests", _errors(served), 0, at_most=True),
    ]


def _errors(served: dict[str, Any]) -> float | None:
    return float(served["fuzz"]["server_errors"]) if "fuzz" in served else None


def result_of(heads: Race, served: dict[str, Any], lineup: Lineup, plan: Plan) -> Result:
    """The section of the results."""
    beside = {
        "healthy clients alone": served["alone"],
        "beside slow, large and malformed requests": served["beside"],
        f"{served['memory']['reloads']:.0f} reloads meanwhile": served["steady"],
    }
    memory = ", ".join(
        f"{name.replace('_', ' ')} {value:,.0f} MB" for name, value in served["memory"].items() if name != "reloads"
    )
    lines = [f"Memory under load with reloads: {memory}."]
    if "fuzz" in served:
        sent = ", ".join(f"{status}: {count:,}" for status, count in served["fuzz"]["statuses"].items())
        lines.append(f"schemathesis: {served['fuzz']['requests']:,} requests, by status {sent}.")
    numbers = {"rows_per_second": {name: timings.rate() for name, timings in heads.items()}, **served}
    tables = [heads_table(heads), clients_table(served["clients"]), clients_table(beside), *lines]
    title = "B10: several heads of one model, served"
    return Result("serving", title, lineup.facts(plan), tables, goals_of(heads, served), numbers)


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=3, steps=2, warm_up=1))
    parser.add_argument("--data", type=Path, required=True, help="folder data/atis of JointBERT")
    parser.add_argument("--run", type=Path, help="a run with these heads; by default it is trained")
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--minutes", type=float, default=10, help="under load with reloads")
    parser.add_argument("--fuzz", type=int, default=10_000, help="requests of schemathesis; 0 for none")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, lineup_of(args) as lineup:
        work = Path(folder)
        file = prepare(args.data, work)
        run = (args.run or train_run(lineup.model, work)).resolve()
        plan = plan_of(args)
        heads = race(participants(lineup, run, file, work), plan)
        served = serve_all(run, texts_of(file), work, args)
        publish(result_of(heads, served, lineup, plan), args.results)


if __name__ == "__main__":
    main()
