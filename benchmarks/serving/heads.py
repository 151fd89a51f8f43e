"""Rows per second: some heads of one model from one pass, a model per head, other runtimes, and peers."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.models import ONE, SIX, TWO
from benchmarks.speed.lineup import Lineup
from benchmarks.speed.results import table
from benchmarks.speed.side_by_side import ROOT, Participant, Plan, race, ratio

PALM_WORKER, PEER_WORKER = "benchmarks.serving.heads_worker", "benchmarks.serving.peer_worker"
# Heads → the name of the participant that predicts with them from one pass.
TOGETHER = {1: "PALM, 1 head", 2: "PALM, 2 heads", 6: "PALM, 6 heads"}
ON_ONNX = {1: "PALM, ONNX Runtime, 1 head", 2: "PALM, ONNX Runtime, 2 heads", 6: "PALM, ONNX Runtime, 6 heads"}
SEPARATE = {2: "PALM, 2 models", 6: "PALM, 6 models"}
INT8, BF16 = "PALM int8, 2 heads", "PALM bf16, 2 heads"
PEERS = {
    "ONNX Runtime float32, PALM's graph of 2 heads": ("onnxruntime", "float32"),
    "ONNX Runtime int8, PALM's graph of 2 heads": ("onnxruntime", "int8"),
    "OpenVINO, PALM's graph of 2 heads": ("openvino", "float32"),
    "transformers pipeline, 2 models": ("pipeline", ""),
}
_HEADS = {1: ONE, 2: TWO, 6: SIX}
_CLASSES = [22, 120]  # of ATIS


@dataclass(frozen=True)
class Workload:
    """What all participants predict.

    Attributes:
        run: The run with six heads.
        file: The table with the texts.
        work: A folder for exported graphs.
    """

    run: Path
    file: Path
    work: Path


def heads_of_one_model(lineup: Lineup, load: Workload) -> list[Participant]:
    """One, two and six heads from one pass, in both runtimes, and from a model per head."""
    found = [_palm(lineup, load, name, _HEADS[count]) for count, name in TOGETHER.items()]
    found += [_palm(lineup, load, name, _HEADS[count], separate=True) for count, name in SEPARATE.items()]
    return found + [_palm(lineup, load, name, _HEADS[count], runtime="onnx") for count, name in ON_ONNX.items()]


def engines(lineup: Lineup, load: Workload) -> list[Participant]:
    """Two heads in PALM's kernels and precisions, in PALM with ONNX Runtime, and in other programs."""
    found = [_palm(lineup, load, TOGETHER[2], TWO), _palm(lineup, load, INT8, TWO, precision="int8")]
    found += [_palm(lineup, load, BF16, TWO, precision="bf16")] if lineup.bf16 else []
    found += [_palm(lineup, load, ON_ONNX[2], TWO, runtime="onnx")]
    for name, (engine, precision) in PEERS.items():
        graph = export(load, precision) if precision else None
        settings = {
            "engine": engine,
            "graph": str(graph),
            "model": str(lineup.model.resolve()),
            "file": str(load.file),
            "threads": lineup.threads,
            "classes": _CLASSES,
        }
        if graph is not None or not precision:
            found.append(Participant(name, lineup.peers, PEER_WORKER, settings, lineup.environment({})))
    return found


def rates_of(participants: list[Participant], plan: Plan) -> dict[str, Any]:
    """The race of `participants`: rows per second, time relative to the first of them, and memory."""
    found = race(participants, plan)
    first = found.get(participants[0].name)
    rows = {
        name: {
            "rows_per_second": round(timings.rate(), 1),
            "time_to_first": round(ratio(first, timings), 3) if first else None,
            "peak_gb": round(timings.peak_bytes / 1e9, 2),
        }
        for name, timings in found.items()
    }
    pairs = [(ON_ONNX[1], ON_ONNX[count]) for count in (2, 6)]
    onnx = {other: round(ratio(found[one], found[other]), 3) for one, other in pairs if one in found and other in found}
    return {"first": participants[0].name, "participants": rows, "time_to_one_onnx_head": onnx, "failed": found.failed}


def rates_table(found: dict[str, Any]) -> str:
    """A row per participant."""
    rows = [
        (
            name,
            f"{each['rows_per_second']:,.0f}",
            "–" if each["time_to_first"] is None else f"{each['time_to_first']:.2f}",
            f"{each['peak_gb']:.2f}",
        )
        for name, each in found["participants"].items()
    ]
    rows += [(f"{name} (failed: {reason})", "–", "–", "–") for name, reason in found["failed"].items()]
    return table(("", "rows/s", f"time / {found['first']}", "peak GB"), rows)


def export(load: Workload, precision: str) -> Path | None:
    """PALM's ONNX graph of two heads; None where it is not written, which stderr says."""
    target = load.work / f"onnx_{precision}"
    words = ["export", str(load.run), "--to", "onnx", "--output", str(target), "--tasks", ",".join(TWO)]
    # Heads of a few steps have no accuracy to lose: speed alone is of interest here.
    words += ["--precision", precision, "--max_drop", "100"] if precision != "float32" else []
    if not target.is_dir():
        subprocess.run([sys.executable, "-m", "palm", *words], stdout=sys.stderr, cwd=ROOT, check=False)
    return next(iter(sorted(target.glob("*.onnx"))), None)


def _palm(lineup: Lineup, load: Workload, name: str, tasks: tuple[str, ...], **keys: str | bool) -> Participant:
    settings = {"run": str(load.run), "tasks": list(tasks), "file": str(load.file), "runtime": "palm"}
    defaults = {"separate": False, "precision": "float32"}
    return Participant(
        name, Path(sys.executable), PALM_WORKER, {**settings, **defaults, **keys}, lineup.environment({})
    )
