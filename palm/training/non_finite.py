"""What becomes of a run after a batch with a loss or gradient that is not finite."""

from collections.abc import Iterator
from pathlib import Path

from palm.engine.checkpoint import newest_checkpoint, roll_back
from palm.engine.run import StepResult, TrainingRun
from palm.errors import TrainingError

# A few bad rows come one at a time; a model that is lost makes nothing else any more.
MOST_IN_A_ROW = 10


class FaultCare:
    """Says what was skipped, goes back to a checkpoint where that is wanted, and gives up when nothing helps.

    Args:
        on_nan: `skip` or `rollback`; with `abort` no batch with a fault gets here.
        run: The run.
        checkpoints: Where its checkpoints are.
    """

    def __init__(self, on_nan: str, run: TrainingRun, checkpoints: Path) -> None:
        self._on_nan = on_nan
        self._run = run
        self._checkpoints = checkpoints
        self._in_a_row = 0

    def after(self, result: StepResult) -> Iterator[str]:
        """Care for the faults of `result`, if it has any, and give what there is to say.

        Raises:
            TrainingError: This was one step with a fault too many, or there is no checkpoint to go back to.
        """
        faults = [part.fault for part in result.parts if part.fault is not None]
        if not faults:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            advice = "Lower learning_rate, and go on from an earlier checkpoint."
            raise TrainingError(f"{faults[0]} It is the {MOST_IN_A_ROW}th in a row. {advice}")
        for fault in faults:
            yield f"{fault} The batch was skipped."
        if self._on_nan == "rollback":
            yield from self._roll_back(faults[0])

    def _roll_back(self, fault: str) -> Iterator[str]:
        newest, complaints = newest_checkpoint(self._checkpoints)
        yield from complaints
        if newest is None:
            advice = "Set on_nan: skip, or save_every_n_steps lower."
            raise TrainingError(f"{fault} There is no checkpoint to go back to yet. {advice}")
        roll_back(self._run, newest)
        yield f"Back to the weights of {newest.as_posix()}; training goes on with the next batch."
