"""What follows a training step: the log line, and checkpoints. Evaluation and exports: `palm.training.evaluation`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from palm.engine.checkpoint import save_checkpoint
from palm.engine.gradient_cosines import gradient_cosines
from palm.engine.run import StepResult, TrainingRun
from palm.training.log import Reporter, cosine_line, data_wait_line, step_record
from palm.training.notices import DataWait

KEEP_ALL = 1 << 30
"""So many checkpoints that none is removed."""

NEVER = 1 << 62
"""So many steps between two log lines that there is none."""

StepLine = Callable[[StepResult, float], str]
"""The log line of a step, from what it did and the steps per second."""


class Follower(Protocol):
    """One thing that follows each step of a run."""

    def after(self, result: StepResult) -> None:
        """Do what `result` made due."""


class StepLog:
    """Says and records what a step did, every few steps, and the cosines of the tasks' gradients where they are due.

    Args:
        run: The run whose steps these are.
        reporter: Where lines and metrics go.
        line: Makes the log line of a step.
        every: Global steps between log lines.
        first_step: Whether the first step has a line, too.
    """

    def __init__(
        self, run: TrainingRun, reporter: Reporter, line: StepLine, *, every: int, first_step: bool = True
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._line = line
        self._every = every
        self._first_step = first_step
        self._printed = run.progress.global_step, time.perf_counter()
        self._waits = DataWait()

    def after(self, result: StepResult) -> None:
        """Move the bar on; print what `result` made due."""
        self._reporter.advance()
        self._waits.add(result)
        self._log_cosines(result.global_step)
        if result.global_step % self._every == 0 or (self._first_step and result.global_step == 1):
            self._print(result)

    def end(self) -> None:
        """Say at the end of a run where too much of it was spent on waiting for data."""
        if self._waits.is_too_much:
            self._reporter.say(data_wait_line(self._waits.share))

    def _log_cosines(self, global_step: int) -> None:
        every = self._run.settings.log_gradient_cosines_every_n_steps
        if every > 0 and global_step % every == 0:
            cosines = gradient_cosines(self._run)
            self._reporter.say(cosine_line(cosines, global_step))
            self._reporter.record({"split": "cosine", "global_step": global_step, "task": None, "cosines": cosines})

    def _print(self, result: StepResult) -> None:
        speed, waited = self._steps_per_second(result.global_step), self._waits.share_since_last()
        for part in result.parts if result.trained else ():
            self._print_part(part, speed, waited)

    def _print_part(self, result: StepResult, speed: float, waited: float) -> None:
        run = self._run
        self._reporter.say(self._line(result, speed))
        self._reporter.record(
            {
                **step_record(result),
                **({"loss_factor": result.loss_factor} if run.weighting.needs_history else {}),
                **({"sampling_probabilities": self._probabilities(result)} if run.sampler.adapts else {}),
                "steps_per_second": round(speed, 3),
                "data_wait_fraction": round(waited, 4),
            }
        )

    def _probabilities(self, result: StepResult) -> dict[str, float]:
        """Sampling probabilities of the tasks as they were known after the step."""
        found = self._run.progress.sampling_probabilities[str(result.global_step)]
        return {task.name: round(share, 4) for task, share in zip(self._run.tasks, found, strict=True)}

    def _steps_per_second(self, step: int) -> float:
        """Speed since the last time this was asked."""
        before, then = self._printed
        self._printed = step, time.perf_counter()
        return (step - before) / max(self._printed[1] - then, 1e-9)


class Checkpoints:
    """Writes checkpoints: every few steps, at the end, where an evaluation was the best so far, and on demand.

    Args:
        run: The run.
        reporter: Where lines go.
        folder: Where they go.
        every: Global steps between two of them; below 1 they are written on demand alone.
        keep: How many remain beside the best ones.
        wanted: Whether something else of the step that has just been done asks for one.
    """

    def __init__(
        self,
        run: TrainingRun,
        reporter: Reporter,
        folder: Path,
        *,
        every: int,
        keep: int,
        wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._folder = folder
        self._every = every
        self._keep = keep
        self._wanted = wanted
        self._saved: int | None = None

    def after(self, result: StepResult) -> None:
        """Write one where it is due."""
        regular = self._every > 0 and (result.global_step % self._every == 0 or self._run.finished)
        if regular or self._wanted():
            self.save()

    def save(self) -> None:
        """Write a checkpoint of where the run stands, unless that is done."""
        if self._saved != self._run.progress.global_step:
            folder = save_checkpoint(self._run, self._folder, keep=self._keep)
            self._saved = self._run.progress.global_step
            self._reporter.say(f"checkpoint saved at {folder.as_posix()}")
