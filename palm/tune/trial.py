"""One trial of a search: a run, or one for each seed, that is followed by its evaluations and pruned."""

import io
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import palm
from palm.errors import PalmError
from palm.storage.layout import BEST_INFERENCE_FOLDER, CHECKPOINT_FOLDER, INFERENCE_FOLDER
from palm.tracking.events import EvaluationEvent, event_of
from palm.training.observers import RunEndedError
from palm.tune.objective import JudgedRun
from palm.tune.plan import TunePlan
from palm.tune.space import Value

_MODELS = (CHECKPOINT_FOLDER, INFERENCE_FOLDER, BEST_INFERENCE_FOLDER)

Report = Callable[[int, float], bool]
"""Receives the number of an evaluation, from 1, and its value; returns whether the trial is pruned."""


@dataclass
class TrialResult:
    """What a trial gave.

    Attributes:
        score: Its value: the mean over its seeds of the best evaluation of each; None if it was pruned or failed.
        scores: The best value of each seed.
        best_step: Global step of the best evaluation with the first seed.
        evaluations: Global step and value of each evaluation with the first seed.
        seconds: How long it took.
        pruned: Whether it was ended because others were better.
        reason: Why it failed; empty if it did not.
    """

    score: float | None = None
    scores: list[float] = field(default_factory=list)
    best_step: int | None = None
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    pruned: bool = False
    reason: str = ""


def trial_folder(plan: TunePlan, number: int) -> Path:
    """The folder of a trial."""
    return plan.folder / f"trial_{number}"


def seed_folder(plan: TunePlan, number: int, seed: int) -> Path:
    """The folder of a trial's run: its own, or with several seeds one in it."""
    home = trial_folder(plan, number)
    return home / f"seed_{seed}" if len(plan.seeds) > 1 else home


def run_trial(plan: TunePlan, number: int, values: Mapping[str, Value], report: Report) -> TrialResult:
    """Train a trial with each seed; the first one is reported on, and may be pruned.

    Args:
        plan: The search.
        number: The trial's number.
        values: Its values.
        report: Called with each evaluation of the first seed.
    """
    result, start = TrialResult(), time.perf_counter()
    try:
        for seed in plan.seeds:
            first = seed == plan.seeds[0]
            judge = JudgedRun(plan.objective)
            _train(plan.config(values, seed, seed_folder(plan, number, seed)), judge, report if first else None)
            if first:
                result.evaluations, result.best_step = judge.evaluations, judge.best_step
            if judge.best is None:
                result.reason = "no evaluation had a finite value"
                break
            result.scores.append(judge.best)
        result.score = None if result.reason else fmean(result.scores)
    except _PrunedError as pruned:
        result.pruned, result.evaluations, result.best_step = True, pruned.judge.evaluations, pruned.judge.best_step
    except (PalmError, MemoryError, RuntimeError) as error:  # Paddle raises the last one where memory is short
        result.reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    result.seconds = round(time.perf_counter() - start, 1)
    return result


class _PrunedError(RunEndedError):
    def __init__(self, judge: JudgedRun) -> None:
        super().__init__("The trial is pruned.")
        self.judge = judge


def _train(config: Mapping[str, object], judge: JudgedRun, report: Report | None) -> None:
    """Train a configuration; `report` is told of its evaluations, and may end it."""

    def follow(record: Mapping[str, object]) -> None:
        event = event_of(record)
        if isinstance(event, EvaluationEvent):
            value = judge.add(event.global_step, event.task, event.metrics)
            if value is not None and report is not None and report(len(judge.evaluations), value):
                raise _PrunedError(judge)

    controller = palm.Controller(config, overrides=[])
    with redirect_stdout(io.StringIO()):  # every line is in the run's log.txt
        controller.train(on_record=follow)


def remove_models(folder: Path) -> None:
    """Remove the models and checkpoints of a trial; its log, metrics and configuration stay."""
    for run in (folder, *folder.glob("seed_*")):
        for home in (run, *(path for path in run.iterdir() if path.is_dir())) if run.is_dir() else ():
            for name in _MODELS:
                shutil.rmtree(home / name, ignore_errors=True)
