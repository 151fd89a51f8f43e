"""Handles batches whose loss or gradient is not finite."""

from collections.abc import Iterator
from pathlib import Path

from palm.engine.checkpoint import newest_checkpoint, roll_back
from palm.engine.run import StepResult, TrainingRun
from palm.errors import TrainingError
from palm.training.log import Reporter

# Bad rows are rare; a diverged model produces nothing else.
MOST_IN_A_ROW = 10


class NonFiniteSteps:
    """Reports skipped batches, rolls back to a checkpoint if `on_nan` says so, and aborts after too many in a row.

    Args:
        run: The run; with `on_nan: abort`, such steps raise before this is called.
        reporter: Receives lines.
        checkpoints: Folder of its checkpoints; None without any.
    """

    def __init__(self, run: TrainingRun, reporter: Reporter, checkpoints: Path | None) -> None:
        self._run = run
        self._reporter = reporter
        self._checkpoints = checkpoints
        self._in_a_row = 0
        self._overflown = run.progress.loss_scale.skipped

    def after(self, result: StepResult) -> None:
        """Handle the faults of `result`, if it has any.

        Raises:
            TrainingError: Too many such steps in a row, or no checkpoint to roll back to.
        """
        for line in (*self._overflow(result), *self._handle(result)):
            self._reporter.say(line)

    def _overflow(self, result: StepResult) -> Iterator[str]:
        """A line about gradients that overflowed in float16, which cost their batches without being a fault."""
        scale = self._run.progress.loss_scale
        if scale.skipped == self._overflown:
            return
        self._overflown = scale.skipped
        found = f"Global step {result.global_step}, task {result.task}: a gradient overflowed in float16."
        yield f"{found} The batch was skipped ({scale.skipped} in this run), and the loss scale is now {scale.value:g}."

    def _handle(self, result: StepResult) -> Iterator[str]:
        """The lines about the faults of `result`.

        Raises:
            TrainingError: Too many such steps in a row, or no checkpoint to roll back to.
        """
        faults = [part.fault for part in result.parts if part.fault is not None]
        if not faults:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            advice = "Lower learning_rate, and continue from an earlier checkpoint."
            raise TrainingError(f"{faults[0]} It is the {MOST_IN_A_ROW}th in a row. {advice}")
        for fault in faults:
            yield f"{fault} The batch was skipped."
        if self._run.settings.on_nan == "rollback":
            yield from self._roll_back(faults[0])

    def _newest(self) -> tuple[str | None, list[str]]:
        newest, complaints = newest_checkpoint(self._checkpoints) if self._checkpoints else (None, [])
        return None if newest is None else str(newest), complaints

    def _roll_back(self, fault: str) -> Iterator[str]:
        found, complaints = self._run.ranks.on_first(self._newest)
        newest = None if found is None else Path(found)
        yield from complaints
        if newest is None:
            advice = "Set on_nan: skip, or lower save_every_n_steps."
            raise TrainingError(f"{fault} There is no checkpoint to go back to yet. {advice}")
        roll_back(self._run, newest)
        yield f"Restored the weights of {newest.as_posix()}; training continues with the next batch."
