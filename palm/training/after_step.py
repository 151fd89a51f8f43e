"""What follows a training step: the log line, evaluation on dev data, exports, checkpoints."""

import time
from collections.abc import Sequence
from pathlib import Path

from palm.config.run_config import RunConfig
from palm.engine.balance import note_metrics
from palm.engine.checkpoint import save_checkpoint
from palm.engine.gradient_cosines import gradient_cosines
from palm.engine.optim.weight_average import averaged
from palm.engine.predict import evaluate_task
from palm.engine.run import StepResult, TrainingRun
from palm.engine.schedule import main_task
from palm.engine.selection import Metrics, Selection
from palm.engine.task_instance import TaskInstance
from palm.inference.bundle import copy_bundle, save_bundle
from palm.storage.layout import BEST_INFERENCE_FOLDER, CHECKPOINT_FOLDER, INFERENCE_FOLDER
from palm.training.log import (
    Reporter,
    best_line,
    cosine_line,
    data_wait_line,
    early_stop_line,
    evaluation_line,
    exported_line,
    finished_line,
    step_line,
    step_record,
)
from palm.training.non_finite import FaultCare
from palm.training.notices import DataWait


def exported_folder(config: RunConfig, task: str) -> Path:
    """Where the inference model of `task` is exported to."""
    return Path(config.run.save_path) / task / INFERENCE_FOLDER


class StepEffects:
    """Does what each step of a run makes due.

    Args:
        config: Says how often to print, evaluate and save, and where to.
        run: The run whose steps these are.
        reporter: Where words and figures go.
    """

    def __init__(self, config: RunConfig, run: TrainingRun, reporter: Reporter) -> None:
        self._config = config
        self._run = run
        self._reporter = reporter
        self._printed = run.progress.global_step, time.perf_counter()
        self._waits = DataWait()
        self._seconds = 0.0
        self._checkpoints = Path(config.run.save_path) / CHECKPOINT_FOLDER
        self._saved: int | None = None
        self._selection = Selection.of(config.train)
        self._faults = FaultCare(config.train.on_nan, run, self._checkpoints)

    def after(self, result: StepResult) -> None:
        """Log, evaluate, export and save what `result` made due.

        Exports come before the checkpoint: a run that dies between the two repeats them when it resumes.

        Raises:
            TrainingError: Too many batches in a row had a loss or gradient that is not finite.
        """
        self._reporter.advance()
        for line in self._faults.after(result):
            self._reporter.say(line)
        self._waits.add(result)
        self._seconds += result.seconds
        self._log_cosines(result.global_step)
        if result.global_step == 1 or result.global_step % self._config.train.print_every_n_steps == 0:
            self._print(result)
        evaluated = self._due_for_evaluation(result)
        improved = False
        if evaluated or result.finished:
            with averaged(self._run.average):
                figures = self._evaluate(evaluated, result.global_step)
                improved = self._keep_best(figures, result.global_step)
                for name in result.finished:
                    self._export(name)
                self._stop_early(figures, result)
        last = self._run.finished
        if last and self._waits.is_too_much:
            self._reporter.say(data_wait_line(self._waits.share))
        every = self._config.train.save_every_n_steps
        if improved or (every > 0 and (result.global_step % every == 0 or last)):
            self.save()

    def save(self) -> None:
        """Write a checkpoint of where the run stands, unless that is done."""
        if self._saved != self._run.progress.global_step:
            folder = save_checkpoint(self._run, self._checkpoints, keep=self._config.train.keep_checkpoints)
            self._saved = self._run.progress.global_step
            self._reporter.say(f"checkpoint saved at {folder.as_posix()}")

    def _log_cosines(self, global_step: int) -> None:
        every = self._config.train.log_gradient_cosines_every_n_steps
        if every > 0 and global_step % every == 0:
            cosines = gradient_cosines(self._run)
            self._reporter.say(cosine_line(cosines, global_step))
            self._reporter.record({"split": "cosine", "global_step": global_step, "task": None, "cosines": cosines})

    def _print(self, result: StepResult) -> None:
        speed, waited = self._steps_per_second(result.global_step), self._waits.share_since_last()
        for part in result.parts if result.trained else ():
            self._print_part(part, speed, waited)

    def _print_part(self, result: StepResult, speed: float, waited: float) -> None:
        self._reporter.say(step_line(result, speed))
        self._reporter.record(
            {
                **step_record(result),
                **({"loss_factor": result.loss_factor} if self._run.weighting.needs_history else {}),
                **(
                    {"sampling_probabilities": self._probabilities(result.global_step)}
                    if self._run.sampler.adapts
                    else {}
                ),
                "steps_per_second": round(speed, 3),
                "data_wait_share": round(waited, 4),
            }
        )

    def _probabilities(self, step: int) -> dict[str, float]:
        """Shares of the tasks as they were known after `step`."""
        found = self._run.progress.sampling_probabilities[str(step)]
        return {task.name: round(share, 4) for task, share in zip(self._run.tasks, found, strict=True)}

    def _steps_per_second(self, step: int) -> float:
        """Speed since it was last asked."""
        before, then = self._printed
        self._printed = step, time.perf_counter()
        return (step - before) / max(self._printed[1] - then, 1e-9)

    def _due_for_evaluation(self, result: StepResult) -> list[str]:
        every = self._config.train.eval_every_n_steps
        leading = self._leading_task(result)
        everyone = every != 0 and (
            result.last or leading in result.end_epoch or (every > 0 and result.global_step % every == 0)
        )
        with_dev = [task.name for task in self._run.tasks if task.dev is not None]
        return with_dev if everyone else [name for name in with_dev if name in result.finished]

    def _leading_task(self, result: StepResult) -> str:
        """The task whose epochs everybody is evaluated at: the main task, and once it has left the mix the next."""
        gone = self._run.retired_tasks - {part.task for part in result.parts} - set(result.end_epoch)
        targets = (task.name for task in self._run.tasks if task.settings.target and task.name not in gone)
        return next(targets, main_task(self._run.tasks).name)

    def _evaluate(self, names: Sequence[str], global_step: int) -> dict[str, dict[str, float]]:
        found = {}
        for task in self._run.tasks:
            if task.name in names:
                figures = evaluate_task(self._run.model, task)
                self._reporter.say(evaluation_line(task.name, global_step, figures))
                self._reporter.record({"split": "dev", "global_step": global_step, "task": task.name, **figures})
                found[task.name] = figures
        if "metric" in (self._config.train.sampling_by, self._config.train.weighting_by):
            note_metrics(self._run.history, found)
        return found

    def _export(self, name: str) -> None:
        folder = exported_folder(self._config, name)
        save_bundle(self._run.model, self._task(name), self._config.backbone_name, folder)
        self._say_exported(name, folder, of_step=self._run.progress.global_step)

    def _say_exported(self, name: str, folder: Path, *, of_step: int) -> None:
        """Say that the model which `name` had after global step `of_step` is now its inference model."""
        self._reporter.say(finished_line(name))
        self._reporter.say(exported_line(name, folder))
        done = self._run.progress
        steps = {"task_steps": done.task_steps[name], "of_step": of_step}
        figures = {**steps, "train_seconds": round(self._seconds, 3)}
        self._reporter.record({"split": "export", "global_step": done.global_step, "task": name, **figures})

    def _keep_best(self, figures: Metrics, global_step: int) -> bool:
        """Note what this evaluation improved, and export the models; whether there is a checkpoint to keep."""
        best, stopped = self._run.progress.best, self._run.progress.stops.tasks
        improved = best.note(
            figures, self._run.tasks, selection=self._selection, global_step=global_step, stopped=stopped
        )
        for name in improved.tasks:
            folder = self._best_folder(name)
            save_bundle(self._run.model, self._task(name), self._config.backbone_name, folder)
            self._reporter.say(best_line(name, best.tasks[name], folder))
        if improved.run and best.run is not None:
            self._reporter.say(best_line("all targets", best.run, self._checkpoints / f"step_{global_step}"))
        return bool(improved) and bool(self._selection)

    def _stop_early(self, figures: Metrics, result: StepResult) -> None:
        """Finish the targets that have waited long enough, or all of them with the run, as they were at their best."""
        if result.last:
            return
        run = self._run
        waiting = run.unfinished
        stopped = run.progress.stops.note(
            figures,
            [task for task in run.tasks if task.name in waiting],
            self._selection.of_run(figures, run.tasks),
            settings=self._config.train,
            global_step=result.global_step,
        )
        ended = run.progress.stops.run is not None
        if ended:
            self._reporter.say(early_stop_line("the run", run.progress.best.run, result.global_step))
        for name in waiting if ended else stopped:
            if name in stopped:
                self._reporter.say(early_stop_line(name, run.progress.best.tasks.get(name), result.global_step))
            self._export_best(name)

    def _export_best(self, name: str) -> None:
        """Make the model of the target's best evaluation its inference model; the present one where there is none."""
        best, folder = self._best_folder(name), exported_folder(self._config, name)
        if name not in self._run.progress.best.tasks or not best.is_dir():
            self._export(name)
            return
        copy_bundle(best, folder)
        self._say_exported(name, folder, of_step=self._run.progress.best.tasks[name].global_step)

    def _best_folder(self, name: str) -> Path:
        return exported_folder(self._config, name).with_name(BEST_INFERENCE_FOLDER)

    def _task(self, name: str) -> TaskInstance:
        return next(task for task in self._run.tasks if task.name == name)
