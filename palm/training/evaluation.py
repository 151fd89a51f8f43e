"""Evaluation on dev data during training, and inference models: the best so far, the last, those in between."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from palm.engine.balance import note_metrics
from palm.engine.fitted_heads import fit_heads
from palm.engine.optim.weight_average import averaged
from palm.engine.predict import evaluate_task
from palm.engine.run import StepResult, TrainingRun
from palm.engine.schedule import main_task
from palm.engine.selection import Metrics, Selection
from palm.engine.task_instance import TaskInstance
from palm.inference.bundle import copy_bundle, save_bundle
from palm.runtime.progress import progress_bar
from palm.storage.layout import BEST_INFERENCE_FOLDER, INFERENCE_FOLDER, MANIFEST_FILE
from palm.training.log import (
    Reporter,
    best_line,
    early_stop_line,
    evaluation_line,
    exported_best_line,
    exported_line,
    finished_line,
    missing_best_line,
)
from palm.training.run_model import RunModel


def exported_folder(save_path: Path, task: str) -> Path:
    """Folder of the inference model of `task`."""
    return save_path / task / INFERENCE_FOLDER


class Exports:
    """Writes the inference models of targets, and reports when a target has ended.

    Args:
        run: The run.
        reporter: Receives lines.
        backbone_name: Name of the backbone, for the models' manifests.
        folder_of: The folder of a target's inference model; None if the run does not export.
    """

    def __init__(
        self, run: TrainingRun, reporter: Reporter, *, backbone_name: str, folder_of: Callable[[str], Path] | None
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._backbone_name = backbone_name
        self._folder_of = folder_of
        self._seconds = 0.0

    def count(self, result: StepResult) -> None:
        """Add the seconds of a step: each export records the training time so far."""
        self._seconds += result.seconds

    def export(self, name: str) -> None:
        """Export the present model of the target `name`."""
        self._reporter.log(finished_line(name))
        if self._folder_of is not None:
            self._save(name, self._folder_of(name))
            self._say_exported(name, of_step=self._run.progress.global_step)

    def export_best(self, name: str, *, say_which: bool = False) -> None:
        """Export the model of the target's best evaluation, or the present one without any; maybe say which it is."""
        best = self._run.progress.best.tasks.get(name)
        if self._folder_of is None or best is None:
            self.export(name)
            return
        if not self._best_folder(name).is_dir():  # such as after a resume from a checkpoint alone
            self._reporter.say(missing_best_line(name, best, self._best_folder(name)))
            self.export(name)
            return
        copy_bundle(self._best_folder(name), self._folder_of(name))
        self._reporter.log(finished_line(name))
        self._say_exported(name, of_step=best.global_step)
        if say_which:
            self._reporter.log(exported_best_line(name, best))

    def update_best(self, name: str) -> None:
        """Export the best evaluation of a target that was exported before, if it is another one by now."""
        best = self._run.progress.best.tasks.get(name)
        if self._folder_of is None or best is None:
            return
        source, target = self._best_folder(name), self._folder_of(name)
        if source.is_dir() and _content(source) != _content(target):
            copy_bundle(source, target)
            self._say_exported(name, of_step=best.global_step)
            self._reporter.log(exported_best_line(name, best))

    def keep_best(self, name: str) -> None:
        """Save the present model of the target `name` as its best so far."""
        if self._folder_of is not None:
            self._save(name, self._best_folder(name))
            self._reporter.log(best_line(name, self._run.progress.best.tasks[name], self._best_folder(name)))

    def _best_folder(self, name: str) -> Path:
        return self._inference_folder(name).with_name(BEST_INFERENCE_FOLDER)

    def _inference_folder(self, name: str) -> Path:
        if self._folder_of is None:
            raise ValueError(f"A run without a folder for inference models exports none. Found `{name}`.")
        return self._folder_of(name)

    def _save(self, name: str, folder: Path) -> None:
        task = next(task for task in self._run.tasks if task.name == name)
        with progress_bar(f"exporting {name}", None):
            save_bundle(self._run.model, task, self._backbone_name, folder)

    def _say_exported(self, name: str, *, of_step: int) -> None:
        """Report that the model of `name` at global step `of_step` is exported."""
        self._reporter.log(exported_line(name, self._inference_folder(name)))
        done = self._run.progress
        record: dict[str, object] = {"split": "export", "global_step": done.global_step, "task": name}
        steps = {"task_steps": done.task_steps[name], "of_step": of_step}
        record |= {**steps, "train_seconds": round(self._seconds, 3)}
        self._reporter.record(record, folder=self._inference_folder(name))


def _content(folder: Path) -> bytes:
    """What the manifest of an inference model says of its files."""
    file = folder / MANIFEST_FILE
    return file.read_bytes() if file.is_file() else b""


class PeriodicExports:
    """Writes inference models of a target beside its last one, every few of its steps where its keys say so.

    Args:
        run: The run.
        reporter: Receives lines.
        backbone_name: Name of the backbone, for the models' manifests.
        folder_of: The folder of a target's last inference model.
    """

    def __init__(
        self, run: TrainingRun, reporter: Reporter, *, backbone_name: str, folder_of: Callable[[str], Path]
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._backbone_name = backbone_name
        self._folder_of = folder_of

    def after(self, result: StepResult) -> None:
        """Write what is due after this step: `infer_model.step<N>`, with the step of the task itself."""
        for part in result.parts if result.trained else ():
            task = next(task for task in self._run.tasks if task.name == part.task)
            every, step = task.settings.save_infermodel_every_n_steps, self._run.progress.task_steps[task.name]
            if task.settings.target and every > 0 and step % every == 0:
                last = self._folder_of(task.name)
                folder = last.with_name(f"{last.name}.step{step}")
                with averaged(self._run.average):
                    alike = [other for other in self._run.tasks if other.head == task.head]
                    fit_heads(self._run.model, alike, self._run.ranks)
                    self._run.ranks.on_first(partial(self._save, task, folder))

    def _save(self, task: TaskInstance, folder: Path) -> None:
        save_bundle(self._run.model, task, self._backbone_name, folder)
        self._reporter.log(exported_line(task.name, folder))


@dataclass(frozen=True)
class _Stops:
    """Early stops of one evaluation.

    Attributes:
        tasks: The targets whose patience has run out.
        ended: The targets that end: these, or all of an ended run.
        run: Whether the run has stopped early.
    """

    tasks: tuple[str, ...]
    ended: tuple[str, ...]
    run: bool


class Evaluation:
    """Evaluates tasks on their dev data, saves the best models, exports ended targets, and stops early.

    Args:
        run: The run.
        reporter: Receives lines and metrics.
        exports: Writes the inference models.
        checkpoints: Folder of the checkpoints, for the line about the best step of the run; None without any.
        run_model: Writes the model of the run at its end, if it has one.
    """

    def __init__(
        self,
        run: TrainingRun,
        reporter: Reporter,
        exports: Exports,
        *,
        checkpoints: Path | None = None,
        run_model: RunModel | None = None,
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._exports = exports
        self._checkpoints = checkpoints
        self._run_model = run_model
        self._selection = Selection.of(run.settings)
        self.improved = False
        """Whether the last step was the best so far by `selection`, whose checkpoint is kept."""

    def after(self, result: StepResult) -> None:
        """Do what is due after `result`, with the averaged weights if the run has an average."""
        self._exports.count(result)
        self.improved = False
        evaluated = self._due(result)
        if not evaluated and not result.finished and not self._run.finished:
            return
        with averaged(self._run.average):
            fit_heads(self._run.model, self._run.tasks, self._run.ranks)
            metrics = self._evaluate(evaluated, result.global_step)
            # The best model is saved before anything ends: a target that stops early is exported at its best.
            self.improved = self._keep_best(metrics, result.global_step)
            stops = self._note_stops(metrics, result)
            # Before the last targets, whose exports mark a run that has ended.
            self._run.ranks.on_first(lambda: self._write(stops, result))

    def _write(self, stops: _Stops, result: StepResult) -> None:
        """Write the models that are due."""
        if self._run.finished and self._run_model is not None:
            self._run_model.write()
        for name in result.finished:
            self._export(name)
        self._export_stopped(stops, result)
        if result.last:
            self._update_exports()
        if self._run.finished and self._run_model is not None:
            self._run_model.announce()

    def _export(self, name: str) -> None:
        """Export a target at its end: its best evaluation or its last step, as `export` says."""
        if self._run.settings.export == "best":
            self._exports.export_best(name, say_which=True)
        else:
            self._exports.export(name)

    def _update_exports(self) -> None:
        """Export targets again that had their best evaluation after their end, while others were trained."""
        stopped = self._run.progress.stops.tasks
        for task in self._run.tasks:
            if self._run.settings.export == "best" and task.settings.target and task.name not in stopped:
                self._exports.update_best(task.name)

    def _due(self, result: StepResult) -> list[str]:
        """The tasks to evaluate after this step."""
        settings, every = self._run.settings, self._run.settings.eval_every_n_steps
        at_epochs = every < 0 or settings.eval_at_epoch_ends
        all_tasks = every != 0 and (
            result.last
            or (at_epochs and self._leading_task(result) in result.end_epoch)
            or (every > 0 and result.global_step % every == 0)
        )
        with_dev = [task.name for task in self._run.tasks if task.dev is not None]
        return with_dev if all_tasks else [name for name in with_dev if name in result.finished]

    def _leading_task(self, result: StepResult) -> str:
        """The task whose epochs trigger evaluation: the main task, and once it is retired the next target."""
        gone = self._run.retired_tasks - {part.task for part in result.parts} - set(result.end_epoch)
        targets = (task.name for task in self._run.tasks if task.settings.target and task.name not in gone)
        return next(targets, main_task(self._run.tasks).name)

    def _evaluate(self, names: Sequence[str], global_step: int) -> dict[str, dict[str, float]]:
        found = {}
        for task in self._run.tasks:
            if task.name in names:
                self._run.ranks.watch.note(f"evaluating {task.name}")
                start = time.perf_counter()
                metrics = evaluate_task(self._run.model, task, self._run.ranks)
                self._reporter.log(evaluation_line(task.name, global_step, metrics))
                record: dict[str, object] = {"split": "dev", "global_step": global_step, "task": task.name, **metrics}
                self._reporter.record(record, seconds=time.perf_counter() - start)
                found[task.name] = metrics
        if self._run.methods.dev_metric_keys:
            note_metrics(self._run.history, found)
        return found

    def _keep_best(self, metrics: Metrics, global_step: int) -> bool:
        """Record improvements and save their models; returns whether to keep the checkpoint as well."""
        best, stopped = self._run.progress.best, self._run.progress.stops.tasks
        improved = best.note(
            metrics,
            self._run.tasks,
            selection=self._selection,
            global_step=global_step,
            stopped=stopped,
            all_targets=self._run.settings.export == "best",
        )
        self._run.ranks.on_first(lambda: self._save_best(improved.tasks))
        if improved.run and best.run is not None and self._checkpoints is not None:
            self._reporter.log(best_line("all targets", best.run, self._checkpoints / f"step_{global_step}"))
        return bool(improved) and bool(self._selection)

    def _save_best(self, names: Sequence[str]) -> None:
        for name in names:
            self._exports.keep_best(name)

    def _note_stops(self, metrics: Metrics, result: StepResult) -> _Stops:
        """Finish the targets whose patience has run out, or all of them with the run."""
        run = self._run
        if result.last:
            return _Stops((), (), run=False)
        waiting = run.unfinished
        stopped = run.progress.stops.note(
            metrics,
            [task for task in run.tasks if task.name in waiting],
            self._selection.of_run(metrics, run.tasks),
            settings=run.settings,
            global_step=result.global_step,
        )
        ended = run.progress.stops.run is not None
        return _Stops(tuple(stopped), waiting if ended else tuple(stopped), run=ended)

    def _export_stopped(self, stops: _Stops, result: StepResult) -> None:
        """Export what stopped early at its best."""
        best = self._run.progress.best
        if stops.run:
            self._reporter.say(early_stop_line("the run", best.run, result.global_step))
        for name in stops.ended:
            if name in stops.tasks:
                self._reporter.say(early_stop_line(name, best.tasks.get(name), result.global_step))
            self._exports.export_best(name)
