"""Runs a comparison: each run through the Controller in its own folder; finished runs are not repeated."""

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass

import palm
from palm.compare.outcome import Outcome, keep, kept, read_outcome
from palm.compare.plan import Job, Plan
from palm.errors import counted
from palm.runtime.progress import progress_bar
from palm.storage.layout import BEST_INFERENCE_FOLDER, CHECKPOINT_FOLDER, INFERENCE_FOLDER, OUTCOME_FILE
from palm.training.signals import StopSignals


@dataclass(frozen=True)
class Finished:
    """A run of the comparison and its outcome."""

    job: Job
    outcome: Outcome


def run_all(plan: Plan, *, keep_models: bool, say: Callable[[str], None]) -> list[Finished]:
    """Run what has not been run yet, seed by seed; runs of all tasks come before those of single tasks.

    Args:
        plan: What to run.
        keep_models: Whether to keep inference models and checkpoints; otherwise they are removed once measured.
        say: Called with one line per run.
    """
    done: list[Finished] = []
    bar = progress_bar("comparing", plan.size, unit="run")
    with StopSignals() as signals, bar as advance:
        for job in _jobs(plan, done):
            if signals.received:
                say(f"Stopped by {signals.received.name}. The same command continues from here.")
                signals.stop()
            _run_job(plan, job, done, keep_models=keep_models, say=say)
            advance(1)
    return done


def _run_job(plan: Plan, job: Job, done: list[Finished], *, keep_models: bool, say: Callable[[str], None]) -> None:
    before = kept(job)
    outcome = before or _train(job, keep_models=keep_models)
    done.append(Finished(job, outcome))
    name = f"{job.name} {job.task}" if job.task else job.name
    how = "done before" if before else f"{outcome.seconds:.0f} s of training"
    say(f"[{len(done)}/{plan.size}] {name}, seed {job.seed}: {counted(outcome.global_steps, 'step')}, {how}")


def _jobs(plan: Plan, done: list[Finished]) -> Iterator[Job]:
    """The jobs in order; a task alone gets the number of steps that it had with the others and the same seed."""
    for seed in plan.seeds:
        first = len(done)
        for variant in plan.variants:
            yield plan.together(variant, seed)
        for task in plan.targets:
            yield plan.alone(task, seed, done[first].outcome.steps[task])


def _train(job: Job, *, keep_models: bool) -> Outcome:
    (job.folder / OUTCOME_FILE).unlink(missing_ok=True)
    controller = palm.Controller(job.config, overrides=[])
    with redirect_stdout(io.StringIO()):  # every line is in the run's log.txt
        controller.train(log="lines")
    outcome = read_outcome(job, controller.num_parameters)
    keep(job, outcome)
    if not keep_models:
        shutil.rmtree(job.folder / CHECKPOINT_FOLDER, ignore_errors=True)  # what `selection` kept
        shutil.rmtree(job.folder / INFERENCE_FOLDER, ignore_errors=True)
        for task in job.targets:
            shutil.rmtree(job.folder / task / INFERENCE_FOLDER)
            shutil.rmtree(job.folder / task / BEST_INFERENCE_FOLDER, ignore_errors=True)
    return outcome
