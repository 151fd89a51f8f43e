"""The parts of the benchmark that need a running server."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.hostile import beside_fuzzing, beside_hostile_clients
from benchmarks.serving.models import SIX, TWO
from benchmarks.serving.server import Server, Summary, measure, post, serving, under_load, write_bodies
from benchmarks.speed.lineup import shell_without_tuning
from benchmarks.speed.side_by_side import ROOT

CLIENTS = (1, 8, 64)
HEALTHY_CLIENTS = 8
RELOAD_SECONDS, MEMORY_SECONDS = 20.0, 2.0
_WARM_SECONDS = 2.0
_ROWS = 32  # of a request and of a batch
_FLOAT32 = ("--precision", "float32")


@dataclass(frozen=True)
class Job:
    """What the parts measure, and for how long.

    Attributes:
        run: The run with six heads.
        texts: The texts to predict.
        work: A folder for files.
        rounds: Turns of each number of clients.
        seconds: Of each load.
        minutes: Under load with reloads.
        fuzzed: Requests of schemathesis.
    """

    run: Path
    texts: Sequence[str]
    work: Path
    rounds: int
    seconds: float
    minutes: float
    fuzzed: int

    def bodies(self, tasks: Sequence[str]) -> Path:
        """A file of requests of one text each."""
        return write_bodies(self.texts, tasks, self.work / f"bodies{len(tasks)}.jsonl")


def answers(job: Job) -> dict[str, Any]:
    """Answers of `/predict` that differ from those of `palm pred`, compared as printed.

    A request has as many rows as a batch, so that sums are in the same order in both.
    """
    compared, different = 0, []
    with serving(job.run, "--runtime", "palm", *_FLOAT32) as server:
        for start, size in ((0, _ROWS), (_ROWS, _ROWS), (2 * _ROWS, 7), (3 * _ROWS, 1)):
            texts = list(job.texts[start : start + size])
            served = json.loads(post(server.port, "/predict", {"inputs": texts}))["predictions"]
            for line in _predicted(job.run, texts):
                expected = json.loads(line)
                task, index = expected.pop("task"), expected["index"]
                compared += 1
                if json.dumps(served[index][task], sort_keys=True) != json.dumps(expected, sort_keys=True):
                    different.append({"task": task, "text": texts[index]})
    return {"compared": compared, "different": len(different), "first": different[:3]}


def _predicted(run: Path, texts: Sequence[str]) -> list[str]:
    words = [sys.executable, "-m", "palm", "pred", str(run), "-", "--json", *_FLOAT32]
    given = "".join(f"{text}\n" for text in texts)
    done = subprocess.run(
        words, input=given, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=shell_without_tuning()
    )
    return done.stdout.splitlines()


def clients(job: Job) -> dict[str, Any]:
    """Rate and latency of 1, 8 and 64 clients with two and six heads; rounds alternate."""
    found: dict[str, list[Summary]] = {}
    with serving(job.run, *_FLOAT32) as server:
        measure(server, HEALTHY_CLIENTS, _WARM_SECONDS, job.bodies(TWO))
        for _ in range(job.rounds):
            for tasks in (TWO, SIX):
                for count in CLIENTS:
                    name = f"{len(tasks)} heads, {count} client{'s' if count > 1 else ''}"
                    found.setdefault(name, []).append(measure(server, count, job.seconds, job.bodies(tasks)))
        memory = server.resident_bytes / 1e6
    return {"loads": {name: _median(each) for name, each in found.items()}, "memory_mb": round(memory)}


def hostile(job: Job) -> dict[str, Any]:
    """What healthy clients see alone, and beside slow, large and malformed requests."""
    with serving(job.run, *_FLOAT32) as server:
        measure(server, HEALTHY_CLIENTS, _WARM_SECONDS, job.bodies(TWO))
        alone, beside = beside_hostile_clients(server, HEALTHY_CLIENTS, job.seconds * 2, job.bodies(TWO))
    return {"alone": alone, "beside": beside}


def fuzz(job: Job) -> dict[str, Any]:
    """Requests of schemathesis by status, and what healthy clients see alone and meanwhile."""
    with serving(job.run, *_FLOAT32) as server:
        measure(server, HEALTHY_CLIENTS, _WARM_SECONDS, job.bodies(TWO))
        return beside_fuzzing(
            server, HEALTHY_CLIENTS, job.seconds * 2, job.bodies(TWO), job.fuzzed, job.work / "schemathesis.txt"
        )


def reloads(job: Job) -> dict[str, Any]:
    """Minutes under load with a reload now and then: what clients saw, and the memory after each reload."""
    with serving(job.run, *_FLOAT32) as server:
        at_start = server.resident_bytes / 1e6
        seconds = job.minutes * 60
        with under_load(server, HEALTHY_CLIENTS, seconds, job.bodies(TWO)) as found:
            after = _reload_until(server, time.monotonic() + seconds)
        time.sleep(MEMORY_SECONDS)
        counted = server.numbers().get('palm_reloads_total{outcome="loaded"}', 0.0)
        memory = {"at_start": round(at_start), "after_reloads": after, "at_end": round(server.resident_bytes / 1e6)}
    return {"seconds": seconds, "load": found[0], "reloads": int(counted), "memory_mb": memory}


def _reload_until(server: Server, until: float) -> list[int]:
    """Reload every few seconds; the memory a moment before the next reload, in MB."""
    found: list[int] = []
    while time.monotonic() < until:
        server.reload()
        time.sleep(max(0.1, min(RELOAD_SECONDS, until - time.monotonic())))
        found.append(round(server.resident_bytes / 1e6))
    return found


def growth_of(memory: dict[str, Any]) -> float | None:
    """Memory of the last third of reloads over that of the second third; None for fewer than six."""
    after = memory["after_reloads"]
    third = len(after) // 3
    if third < 2:
        return None
    return statistics.median(after[-third:]) / statistics.median(after[third : 2 * third])


def _median(rounds: list[Summary]) -> Summary:
    """The round of the median rate, with the failures of all."""
    ordered = sorted(rounds, key=lambda one: float(one["requests_per_second"]))
    return {**ordered[len(ordered) // 2], "failed": sum(int(one["failed"]) for one in rounds)}
