"""Train the tasks of a session: the engine's steps, with the log lines and the savings of PALM 2's trainers."""

import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

from palm.api.session import Session
from palm.config.wiring import backbone_name
from palm.engine.checkpoint import save_checkpoint
from palm.engine.optim.weight_average import averaged
from palm.engine.run import StepResult
from palm.engine.train import train_steps
from palm.errors import ConfigError, Problem
from palm.inference.bundle import save_bundle
from palm.training.log import Reporter, finished_line, say, step_record, trainer_line
from palm.training.signals import StopSignals

_ALL = 1 << 30


def train(session: Session, print_steps: int) -> None:
    """Train until every target is done; print a line and save where it is due.

    Raises:
        ConfigError: Something is missing or does not fit.
        CheckpointError: Something cannot be written.
    """
    if print_steps < 1:
        raise ConfigError(Problem("train", f"print_steps is 1 or more. Found {print_steps}."))
    run = session.run
    session.reset_batches()
    done = run.progress.global_step
    saver = session.saver
    place = saver.folder if saver else None
    reporting = Reporter(place, total_steps=run.total_steps, done_steps=done) if place else nullcontext()
    stopping = StopSignals(saves=saver is not None and "ckpt" in saver.types)
    with reporting as reporter, stopping as signals, closing(train_steps(run)) as steps:
        effects = Effects(session, print_steps, reporter)
        for result in steps:
            effects.after(result)
            if signals.received and not result.last:
                effects.save(result.global_step)
                signals.stop()


def save_model(session: Session, name: str, folder: Path) -> None:
    """Write the inference model of the task `name`."""
    run = session.run
    task = next(task for task in run.tasks if task.name == name)
    with averaged(run.average):
        save_bundle(run.model, task, backbone_name(session.backbone), folder)


class Effects:
    """What follows a step.

    Args:
        session: The run.
        print_steps: Steps between log lines.
        reporter: Where words and figures go; the terminal when None.
    """

    def __init__(self, session: Session, print_steps: int, reporter: Reporter | None) -> None:
        self._session = session
        self._every = print_steps
        self._reporter = reporter
        self._say: Callable[[str], None] = reporter.say if reporter else say
        self._printed = session.run.progress.global_step, time.perf_counter()

    def after(self, result: StepResult) -> None:
        """Print and save what `result` made due."""
        step = result.global_step
        if self._reporter:
            self._reporter.advance()
        if step % self._every == 0:
            self._print(result)
        for name in result.finished:
            self._say(finished_line(name))
        if self._session.saver and self._session.saver.is_due(step, last=result.last):
            self.save(step)

    def save(self, step: int) -> None:
        """Write what the saver says: a checkpoint, the inference model of each target, or both."""
        saver, run = self._session.saver, self._session.run
        if saver is None:
            return
        if "ckpt" in saver.types:
            folder = save_checkpoint(run, saver.checkpoints, keep=_ALL)
            self._say(f"checkpoint saved at {folder.as_posix()}")
        if "predict" in saver.types:
            for task in (task for task in run.tasks if task.settings.target):
                save_model(self._session, task.name, saver.models(step) / task.name)
            self._say(f"inference models saved at {saver.models(step).as_posix()}")

    def _print(self, result: StepResult) -> None:
        (before, then), now = self._printed, time.perf_counter()
        speed = (result.global_step - before) / max(now - then, 1e-9)
        self._printed = result.global_step, now
        self._say(trainer_line(result, speed))
        if self._reporter:
            self._reporter.record({**step_record(result), "steps_per_second": round(speed, 3)})
