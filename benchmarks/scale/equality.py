"""Whether several processes train what one does: runs cases with 1, 2 and 4 of them, and compares all results."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.faults.random_configs import write_random_config
from benchmarks.scale.cases import Case, in_folder, matrix, scaled, stopped, write_cases
from benchmarks.scale.processes import start

CLOSE = 1e-5
"""The largest difference of a loss or a parameter: float32 sums of another order differ by some 1e-7 a step."""

# Batches of an evaluation are those of batch_size by default, on which the mean of their losses depends.
_COMPARED = {"adam_epsilon": 1e-3, "print_every_n_steps": 1, "pred_batch_size": 5}
_MODULE = "benchmarks.scale.worker"


@dataclass(frozen=True)
class Difference:
    """How several processes differ from one in a case.

    Attributes:
        name: The case.
        steps: Losses that were compared.
        loss: The largest difference of a loss, relative where it is above 1.
        parameter: The largest difference of a parameter.
        problem: What is not equal but has to be; None if nothing.
    """

    name: str
    steps: int
    loss: float
    parameter: float
    problem: str | None

    @property
    def equal(self) -> bool:
        """Whether they are equal as far as rounding allows."""
        return self.problem is None and self.loss <= CLOSE and self.parameter <= CLOSE


def compare_cases(cases: Sequence[Case], folder: Path, *, seconds: float = 600) -> list[Difference]:
    """Run cases of two processes, and the same with one, at the same time.

    Args:
        cases: With the batch size of each of two processes.
        folder: For everything that the runs write.
        seconds: How long they may take.
    """
    folder.mkdir(parents=True, exist_ok=True)
    both = {}
    for count in (1, 2):
        places = [folder / f"{count}" / f"{number:03}" for number in range(len(cases))]
        own = [in_folder(scaled(case, 2 // count), place) for case, place in zip(cases, places, strict=True)]
        write_cases(own, folder / f"cases.{count}.json")
        words = [_MODULE, str(folder / f"cases.{count}.json"), str(folder / "found")]
        both[count] = own, start(words, count=count, logs=folder / "logs")
    for _, started in both.values():
        started.wait(seconds)
    one, two = ([_found(folder, count, rank) for rank in range(count)] for count in (1, 2))
    return [
        _difference(number, pair, [one[0][pair[0].name]], [each[pair[0].name] for each in two], folder)
        for number, pair in enumerate(zip(both[1][0], both[2][0], strict=True))
    ]


def _found(folder: Path, count: int, rank: int, name: str = "found") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.{count}.{rank}.json").read_text(encoding="utf-8"))
    return found


def _difference(
    number: int, cases: tuple[Case, Case], one: Sequence[dict[str, Any]], two: Sequence[dict[str, Any]], folder: Path
) -> Difference:
    name, [alone] = cases[0].name, one
    errors = [each["error"].splitlines()[-1] for each in (*one, *two) if "error" in each]
    if errors:
        return Difference(name, 0, 0.0, 0.0, errors[0])
    problem = next(iter(_problems(alone, two)), None)
    logs = [_losses(Path(str(case.config["save_path"]))) for case in cases]
    if [each[:3] for each in logs[0]] != [each[:3] for each in logs[1]]:
        problem = problem or _first_other(*logs)
    files = [_files(Path(str(case.config["save_path"]))) for case in cases]
    if files[0] != files[1]:
        problem = problem or f"other files than of one process: {sorted(files[0] ^ files[1])[:3]}"
    loss = max((_apart(a[3], b[3]) for a, b in zip(*logs, strict=False)), default=0.0)
    weights = [np.load(folder / f"found.{count}.{number}.npz", allow_pickle=False) for count in (1, 2)]
    parameter = max(float(np.abs(weights[0][key] - weights[1][key]).max(initial=0.0)) for key in weights[0].files)
    return Difference(name, len(logs[0]), loss, parameter, problem)


def _problems(alone: Mapping[str, Any], ranks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first = ranks[0]
    yield from _problems_of_ranks(ranks)
    for key in ("global_step", "task_steps", "ended"):
        if first[key] != alone[key]:
            yield f"{key} is {first[key]}, of one process {alone[key]}"
    for key, value in first.items():
        if key.startswith(("predictions of", "metrics of")) and value[0] != value[1]:
            yield f"{key} differ from those of one process"


def _problems_of_ranks(ranks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first = ranks[0]
    for index, other in enumerate(ranks):
        if other["sha256"] != first["sha256"]:
            yield f"rank {index} has other parameters than rank 0"
        if other["said"] and index:
            yield f"rank {index} says something: {other['said'][:80]!r}"
        if other["metrics_together"] != first["metrics_alone"]:
            yield f"metrics of all ranks are {other['metrics_together']}, of one {first['metrics_alone']}"


def _losses(save_path: Path) -> list[tuple[object, object, object, object]]:
    """Split, step, task and value of every loss and cosine that runs below a folder have recorded."""
    found: list[tuple[object, object, object, object]] = []
    for file in sorted(save_path.rglob("metrics.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            values = record.get("cosines") or {"loss": record.get("loss"), "factor": record.get("loss_factor")}
            for key, value in values.items():
                found.append((record["split"], f"{record['global_step']} {key}", record["task"], value))
    return found


def _files(save_path: Path) -> set[str]:
    return {file.relative_to(save_path).as_posix() for file in save_path.rglob("*")}


def _first_other(one: Sequence[object], other: Sequence[object]) -> str:
    for a, b in zip(one, other, strict=False):
        if a[:3] != b[:3]:  # type: ignore[index]
            return f"another order: {a} and {b}"
    return f"{len(one)} and {len(other)} records"


def _apart(one: object, other: object) -> float:
    if not isinstance(one, float) or not isinstance(other, float):
        return 0.0 if one == other else float("inf")
    return abs(one - other) / max(1.0, abs(one))


@dataclass(frozen=True)
class Resumed:
    """A run that was stopped by a signal to one of two ranks, and continued.

    Attributes:
        name: The case.
        count: Processes that continued it.
        loss: The largest difference of a loss from the run that was left alone.
        parameter: The same of a parameter.
        bits: Whether all parameters have the same bits.
        problem: What is not equal but has to be; None if nothing.
    """

    name: str
    count: int
    loss: float
    parameter: float
    bits: bool
    problem: str | None

    @property
    def as_expected(self) -> bool:
        """Equal to the bit on as many processes, and as far as rounding allows on others."""
        close = self.loss <= CLOSE and self.parameter <= CLOSE
        return self.problem is None and (self.bits if self.count == 2 else close)


def compare_resumed(folder: Path, *, counts: Sequence[int] = (1, 2, 4), seconds: float = 600) -> list[Resumed]:
    """Stop runs of two ranks by SIGTERM to one of them, and continue them with other numbers of ranks."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = stopped(folder)
    left_alone = [
        Case(
            **{**in_folder(case, folder / "whole" / str(number)).to_json(), "stop_after": 0, "name": f"whole {number}"}
        )
        for number, case in enumerate(cases)
    ]
    broken = [in_folder(case, folder / "broken" / str(number)) for number, case in enumerate(cases)]
    _run([*left_alone, *broken], folder, 2, "begun", seconds)
    problems = [_stop_problem(folder, case) for case in broken]
    started = []
    for count in counts:
        for number in range(len(cases)):
            shutil.copytree(folder / "broken" / str(number), folder / f"by{count}" / str(number))
        own = [
            replace(in_folder(case, folder / f"by{count}" / str(number), resume="auto"), stop_after=0)
            for number, case in enumerate(cases)
        ]
        write_cases(own, folder / f"resumed.{count}.cases.json")
        words = [_MODULE, str(folder / f"resumed.{count}.cases.json"), str(folder / "resumed")]
        started.append(start(words, count=count, logs=folder / "logs"))
    for each in started:
        each.wait(seconds)
    return [
        _resumed(number, case, count, folder, problems[number]) for count in counts for number, case in enumerate(cases)
    ]


def _run(cases: Sequence[Case], folder: Path, count: int, name: str, seconds: float) -> None:
    write_cases(list(cases), folder / f"{name}.cases.json")
    words = [_MODULE, str(folder / f"{name}.cases.json"), str(folder / name)]
    start(words, count=count, logs=folder / "logs").wait(seconds)


def _stop_problem(folder: Path, case: Case) -> str | None:
    ranks = [_found(folder, 2, rank, "begun")[case.name] for rank in (0, 1)]
    errors = [each["error"].splitlines()[-1] for each in ranks if "error" in each]
    if errors:
        return errors[0]
    ends = [(each["ended"], each["global_step"]) for each in ranks]
    if ends[0] != ends[1] or ends[0][0] != 143:
        return f"SIGTERM to one rank: exit code and step of each are {ends}"
    if not list(Path(str(case.config["save_path"])).glob(f"ckpt/step_{ends[0][1]}/manifest.json")):
        return f"there is no checkpoint of step {ends[0][1]}"
    return None


def _resumed(number: int, case: Case, count: int, folder: Path, problem: str | None) -> Resumed:
    ranks = [_found(folder, count, rank, "resumed")[case.name] for rank in range(count)]
    whole = _found(folder, 2, 0, "begun")[f"whole {number}"]
    errors = [each["error"].splitlines()[-1] for each in (*ranks, whole) if "error" in each]
    if errors or problem:
        return Resumed(case.name, count, 0.0, 0.0, False, problem or errors[0])
    if len({each["sha256"] for each in ranks}) > 1:
        problem = "the ranks have different parameters"
    logs = [_losses(folder / place / str(number) / "out") for place in ("whole", f"by{count}")]
    if [each[:3] for each in logs[0]] != [each[:3] for each in logs[1]]:
        problem = problem or _first_other(*logs)
    loss = max((_apart(a[3], b[3]) for a, b in zip(*logs, strict=False)), default=0.0)
    arrays = [
        np.load(folder / name, allow_pickle=False)
        for name in (f"begun.2.{number}.npz", f"resumed.{count}.{number}.npz")
    ]
    parameter = max(float(np.abs(arrays[0][key] - arrays[1][key]).max(initial=0.0)) for key in arrays[0].files)
    return Resumed(case.name, count, loss, parameter, ranks[0]["sha256"] == whole["sha256"], problem)


def random_cases(folder: Path, *, seed: int, count: int) -> list[Case]:
    """Random configurations; those that are not valid are left out by `compare_cases`' caller."""
    cases = []
    for number in range(count):
        file = write_random_config(folder / f"random{number:04}", seed=seed, number=number, attempt=0)
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        cases.append(Case(f"random {seed}/{number}", {**_COMPARED, **config}))
    return cases


def matrix_cases(folder: Path) -> list[Case]:
    """Every method."""
    return matrix(folder)
