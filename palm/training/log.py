"""Output of a run: the terminal with its progress bar, log.txt, and metrics.jsonl."""

import json
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from palm.distributed.ranks import current_ranks
from palm.engine.run import StepResult
from palm.engine.selection import Best
from palm.errors import CheckpointError
from palm.locale.current import translated, translated_word
from palm.runtime.progress import progress_shown_by
from palm.storage.atomic_directory import os_errors_as
from palm.storage.layout import LOG_FILE, METRICS_FILE
from palm.training.display.choice import Display
from palm.training.display.live_run import LiveRun

_log = logging.getLogger("palm")

OnRecord = Callable[[Mapping[str, object]], None]
"""Receives the lines of `metrics.jsonl` as a run writes them (docs/files.md)."""

OnUnloggedStep = Callable[[StepResult], None]
"""Receives the result of a step that no line is written about; in `mode: joint` that of all its tasks."""


def say(*lines: str) -> None:
    """Print lines outside a run; of several ranks, only the first one does."""
    if lines and current_ranks().first:
        _to_stdout(lambda stdout: stdout.write("".join(f"{translated(line)}\n" for line in lines)))


def _to_stdout(write: Callable[[TextIO], object]) -> None:
    """Write to stdout; if it is closed, its reader is gone or its disk is full, warn once and continue without it.

    Its lines are in `log.txt` as well.
    """
    try:
        if sys.stdout is not None:
            write(sys.stdout)
            sys.stdout.flush()
    except (OSError, ValueError) as error:  # ValueError: a closed file
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the process ends)
        with suppress(OSError):  # buffered output would be written once more at exit
            os.dup2(sys.stdout.fileno(), 1)
        reason = getattr(error, "strerror", None) or str(error)
        _log.warning("stdout cannot be written any more: %s. Training continues; its lines are in log.txt.", reason)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


class Reporter:
    """Writes lines to the terminal and to `log.txt`, and metrics to `metrics.jsonl`; shows how far the run is.

    The terminal has the lines above a progress bar; where there is a `display`, only those that `say` gets, beside it.
    Of several ranks, only the first one does; the others keep the metrics of the last step, for when it is lost.

    Args:
        folder: The run's save_path, created if missing. None to write no files.
        total_steps: Length of the progress bar, in global steps.
        done_steps: Steps done before a resume.
        on_record: Called with each line of `metrics.jsonl`.
        on_unlogged_step: Called with each step that has no such line.
        display: The run as its display shows it, and the display; None for lines.

    Raises:
        CheckpointError: The folder cannot be written.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        total_steps: int,
        done_steps: int = 0,
        on_record: OnRecord | None = None,
        on_unlogged_step: OnUnloggedStep | None = None,
        display: tuple[LiveRun, Display] | None = None,
    ) -> None:
        self._silent = not current_ranks().first
        self._on_record = None if self._silent else on_record
        self._on_unlogged_step = None if self._silent else on_unlogged_step
        self._unwritten: tuple[Path, list[dict[str, object]]] | None = (folder, []) if folder and self._silent else None
        self._live = display[0] if display else None
        self._display = display[1] if display else None
        self._open = ExitStack()
        folder = None if self._silent else folder
        self._folder = folder
        self._log = self._metrics = None
        if folder is not None:
            with os_errors_as(folder, "save_path"):
                folder.mkdir(parents=True, exist_ok=True)
                self._log = (folder / LOG_FILE).open("a", encoding="utf-8", buffering=1)
                self._metrics = (folder / METRICS_FILE).open("a", encoding="utf-8", buffering=1)
        self._bar = tqdm(
            total=total_steps,
            initial=done_steps,
            unit=translated_word("step"),
            file=sys.stderr,
            disable=self._silent or display is not None or not _is_terminal(),
            leave=False,
        )

    def __enter__(self) -> "Reporter":
        if self._live is not None and self._display is not None:
            self._open.enter_context(progress_shown_by(self._live.note_activity))
            self._display.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._open.close()
        if self._display is not None:
            self._display.close(finished=error is None)
        for file in (self._log, self._metrics):
            if file is not None:
                file.close()

    def say(self, line: str) -> None:
        """Print and log a line that the user is to see."""
        if not self._silent:
            self._print(line) if self._display is None else self._display.say(translated(line))
            self._write(line)

    def log(self, line: str) -> None:
        """Log a line about the course of the run; print it, unless a display shows the same."""
        if not self._silent:
            if self._display is None:
                self._print(line)
            self._write(line)

    def _print(self, line: str) -> None:
        _to_stdout(lambda stdout: self._bar.write(translated(line), file=stdout))

    def _write(self, line: str) -> None:
        self._check_folder()
        if self._log is not None:
            self._log.write(line + "\n")

    def record(self, metrics: dict[str, object], *, seconds: float | None = None, folder: Path | None = None) -> None:
        """Append a line to metrics.jsonl.

        Args:
            metrics: The line.
            seconds: How long it took, for `on_record` alone: files of equal runs are equal.
            folder: Where the model is that it is about, for `on_record` alone, too.
        """
        if self._metrics is not None:
            self._metrics.write(_line_of(metrics))
        if self._unwritten is not None:
            same_step = [line for line in self._unwritten[1] if line.get("global_step") == metrics.get("global_step")]
            self._unwritten[1][:] = [*same_step, metrics]
        if self._live is not None:
            self._live.note_record(metrics)
        if self._on_record is not None:
            further = {"seconds": seconds, "folder": folder}
            self._on_record({**metrics, **{key: value for key, value in further.items() if value is not None}})

    def pass_over(self, result: StepResult) -> None:
        """Tell of a step that is not logged."""
        if self._on_unlogged_step is not None:
            self._on_unlogged_step(result)

    def complete(self, global_step: int) -> None:
        """Append what the first rank, which is lost, did not write of a step that another rank has saved."""
        if self._unwritten is None:
            return
        file = self._unwritten[0] / METRICS_FILE
        written = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        known = {_subject(line) for line in map(_parsed, written.splitlines())}
        kept = [line for line in self._unwritten[1] if line.get("global_step") == global_step]
        lacking = [line for line in kept if _subject(line) not in known]
        cut = "" if written.endswith("\n") or not written else "\n"  # a resumed run drops the incomplete line
        with file.open("a", encoding="utf-8") as metrics:
            metrics.write(cut + "".join(map(_line_of, lacking)))

    def _check_folder(self) -> None:
        if self._folder is not None and not (self._folder / LOG_FILE).exists():
            rule = "save_path was removed or renamed while a run trained into it, and nothing of the run would be kept"
            raise CheckpointError(f"{self._folder}: {rule}. Start the run again.")

    def advance(self, result: StepResult) -> None:
        """Show that a step is done."""
        self._bar.update(1)
        if self._live is not None and self._display is not None:
            self._live.note_step(result)
            self._display.refresh()


def _line_of(metrics: Mapping[str, object]) -> str:
    return json.dumps(metrics, ensure_ascii=False) + "\n"


def _parsed(line: str) -> Mapping[str, object]:
    """A line of metrics.jsonl; empty for an incomplete one."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _subject(line: Mapping[str, object]) -> tuple[str, ...]:
    """What a line of metrics.jsonl is about."""
    return tuple(str(line.get(key)) for key in ("split", "global_step", "task"))


def step_line(result: StepResult, steps_per_second: float) -> str:
    """`Global step: 10. Task: mrqa, step 4/135 (epoch 0), loss: 6.235, speed: 0.75 steps/s`."""
    return (
        f"Global step: {result.global_step}. Task: {result.task}, step {result.step}/{result.steps_per_epoch} "
        f"(epoch {result.epoch}), loss: {result.loss:.3f}, speed: {steps_per_second:.2f} steps/s"
    )


def trainer_line(result: StepResult, steps_per_second: float) -> str:
    """`global step: 5, slot: step 3/309 (epoch 0), loss: 68.965, speed: 0.58 steps/s`, PALM 2's format."""
    return (
        f"global step: {result.global_step}, {result.task}: step {result.step}/{result.steps_per_epoch} "
        f"(epoch {result.epoch}), loss: {result.loss:.3f}, speed: {steps_per_second:.2f} steps/s"
    )


def finished_line(task: str) -> str:
    """`mrqa: train finished!`."""
    return f"{task}: train finished!"


def exported_line(task: str, folder: Path) -> str:
    """`mrqa: inference model saved at output_model/secondrun/mrqa/infer_model`."""
    return f"{task}: inference model saved at {folder.as_posix()}"


def exported_run_line(folder: Path, global_step: int, tasks: Sequence[str]) -> str:
    """`all tasks: inference model saved at output_model/infer_model (global step 270: intent, slots)`."""
    return f"all tasks: inference model saved at {folder.as_posix()} (global step {global_step}: {', '.join(tasks)})"


def frozen_line(model: Path, tasks: Sequence[str]) -> str:
    """`The encoder of RUN/infer_model is frozen, without dropout; its tasks stay as they are: intent, slots`."""
    return (
        f"The encoder of {model.as_posix()} is frozen, without dropout; its tasks stay as they are: {', '.join(tasks)}"
    )


def extended_line(model: Path) -> str:
    """`The encoder and the heads of RUN/infer_model are in it unchanged.`."""
    return f"The encoder and the heads of {model.as_posix()} are in it unchanged."


def evaluation_line(task: str, global_step: int, metrics: dict[str, float]) -> str:
    """`mrqa: evaluation at global step 270: f1 0.8745, exact_match 0.8123`."""
    listed = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    return f"{task}: evaluation at global step {global_step}: {listed}"


def best_line(whose: str, best: Best, folder: Path) -> str:
    """`intent: best accuracy so far 0.9750 at global step 270, kept at output_model/intent/best_infer_model`."""
    score = f"best {best.metric} so far {best.value:.4f} at global step {best.global_step}"
    return f"{whose}: {score}, kept at {folder.as_posix()}"


def exported_best_line(task: str, best: Best) -> str:
    """`mrqa: exported as at global step 120, its best f1 0.8712`."""
    return f"{task}: exported as at global step {best.global_step}, its best {best.metric} {best.value:.4f}"


def missing_best_line(task: str, best: Best, folder: Path) -> str:
    """`Warning: mrqa: its best model, of global step 120, is not there any more (…); the present one is exported.`."""
    gone = f"its best model, of global step {best.global_step}, is not there any more ({folder.as_posix()})"
    return f"Warning: {task}: {gone}; the present one is exported."


def early_stop_line(whose: str, best: Best | None, global_step: int) -> str:
    """`intent: stops early after global step 270; its best accuracy 0.9750 was at global step 180`."""
    score = f"; its best {best.metric} {best.value:.4f} was at global step {best.global_step}" if best else ""
    return f"{whose}: stops early after global step {global_step}{score}"


CONTINUE = "`palm train … --resume` continues from its checkpoint."
"""How to continue after a run was stopped."""


def stopped_line(signal: str, global_step: int) -> str:
    """`Stopped by SIGTERM after global step 270. `palm train … --resume` continues from its checkpoint.`."""
    return f"Stopped by {signal} after global step {global_step}. {CONTINUE}"


def cosine_line(cosines: Mapping[str, float], global_step: int) -> str:
    """`Gradient cosines at global step 100: intent~slots 0.132, intent~kind -0.041`."""
    listed = ", ".join(f"{pair} {value:.3f}" for pair, value in cosines.items())
    return f"Gradient cosines at global step {global_step}: {listed or 'none (no parameter is shared)'}"


def data_wait_line(fraction: float) -> str:
    """`Training waited for data 7.3 % of the time. …`, at the end of a run that waited too long."""
    advice = "One thread prepares batches in advance: check for a slow disk, or other programs on the same cores."
    return f"Training waited for data {100 * fraction:.1f} % of the time. {advice}"


def step_record(result: StepResult) -> dict[str, object]:
    """The fields of a step that the Controller and the trainers both record."""
    return {
        "split": "train",
        "global_step": result.global_step,
        "task": result.task,
        "step": result.step,
        "epoch": result.epoch,
        **loss_metrics(result),
        "learning_rate": result.learning_rate,
    }


def loss_metrics(result: StepResult) -> dict[str, float | None]:
    """`loss` and `loss_normalised`, which begins at 1 for every task; None if not finite."""
    metrics = {"loss": result.loss, "loss_normalised": result.normalised_loss}
    return {name: value if value is not None and math.isfinite(value) else None for name, value in metrics.items()}
