"""What follows a training step: the log line, and checkpoints. Evaluation and exports: `palm.training.evaluation`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from palm.engine.checkpoint import save_checkpoint, save_without_others
from palm.engine.gradient_cosines import gradient_cosines
from palm.engine.run import StepResult, TrainingRun
from palm.training.log import Reporter, cosine_line, data_wait_line, step_record
from palm.training.notices import DataWait

KEEP_ALL = 1 << 30
"""More checkpoints than any run writes, so that none is removed."""

NEVER = 1 << 62
"""So many steps between two log lines that there is none."""

StepLine = Callable[[StepResult, float], str]
"""Formats the log line of a step from its result and the steps per second."""


class Follower(Protocol):
    """Called after each step of a run."""

    def after(self, result: StepResult) -> None:
        """Do what is due after `result`."""


class StepLog:
    """Logs steps at an interval, and the cosines of the tasks' gradients when due.

    Args:
        run: The run.
        reporter: Receives lines and metrics.
        line: Formats the log line of a step.
        every: Global steps between log lines.
        first_step: Whether to log the first step as well.
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
        """Advance the progress bar; log what is due; tell callbacks of the step."""
        self._reporter.advance(result)
        self._waits.add(result)
        self._log_cosines(result.global_step)
        if result.global_step % self._every == 0 or (self._first_step and result.global_step == 1):
            self._print(result)
        else:
            self._reporter.pass_over(result)

    def end(self) -> None:
        """Report at the end of a run if it waited for data too long."""
        if self._waits.is_too_much:
            self._reporter.say(data_wait_line(self._waits.fraction))

    def _log_cosines(self, global_step: int) -> None:
        every = self._run.settings.log_gradient_cosines_every_n_steps
        if every > 0 and global_step % every == 0:
            cosines = gradient_cosines(self._run)
            self._reporter.log(cosine_line(cosines, global_step))
            self._reporter.record({"split": "cosine", "global_step": global_step, "task": None, "cosines": cosines})

    def _print(self, result: StepResult) -> None:
        speed, waited = self._steps_per_second(result.global_step), self._waits.fraction_since_last()
        for part in result.parts if result.trained else ():
            self._print_part(part, speed, waited)

    def _print_part(self, result: StepResult, speed: float, waited: float) -> None:
        run = self._run
        self._reporter.log(self._line(result, speed))
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
        """Sampling probabilities of the tasks after the step."""
        found = self._run.progress.sampling_probabilities[str(result.global_step)]
        return {task.name: round(value, 4) for task, value in zip(self._run.tasks, found, strict=True)}

    def _steps_per_second(self, step: int) -> float:
        """Speed since the last call."""
        before, then = self._printed
        self._printed = step, time.perf_counter()
        return (step - before) / max(self._printed[1] - then, 1e-9)


class Checkpoints:
    """Writes checkpoints: at an interval, at the end, after the best evaluation so far, and on demand.

    Args:
        run: The run.
        reporter: Receives lines.
        folder: Folder of the checkpoints.
        every: Global steps between two checkpoints; below 1, only on demand.
        keep: How many to keep besides the best ones.
        requested: Whether something else requests a checkpoint of the step just done.
    """

    def __init__(
        self,
        run: TrainingRun,
        reporter: Reporter,
        folder: Path,
        *,
        every: int,
        keep: int,
        requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._folder = folder
        self._every = every
        self._keep = keep
        self._requested = requested
        self._saved: int | None = None

    def after(self, result: StepResult) -> None:
        """Write a checkpoint if due."""
        regular = self._every > 0 and (result.global_step % self._every == 0 or self._run.finished)
        if regular or self._requested():
            self.save()

    def save(self) -> None:
        """Write a checkpoint of the present step, unless there is one."""
        if self._saved != self._run.progress.global_step:
            folder = save_checkpoint(self._run, self._folder, keep=self._keep)
            self._saved = self._run.progress.global_step
            self._reporter.log(f"checkpoint saved at {folder.as_posix()}")

    def save_without_others(self) -> str | None:
        """Write one although another rank is lost; its path, if there is a step to save."""
        folder = save_without_others(self._run, self._folder, keep=self._keep)
        if folder is None:
            return None
        self._reporter.complete(self._run.progress.global_step)
        return folder.as_posix()
