"""The model of a run: every head on the encoder of one moment, the end of the run or its best step."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from paddle import Tensor

from palm.engine.checkpoint import saved_weights
from palm.engine.optim.weight_average import averaged
from palm.engine.run import TrainingRun
from palm.engine.run_data import describe_evaluated, without_labels
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, PalmError
from palm.inference.bundle import RunFacts, save_run
from palm.inference.extended_run import save_extended_run
from palm.inference.run_card import ModelOrigin
from palm.schema.saved_model import read_saved_run
from palm.storage.atomic_directory import verify
from palm.storage.layout import CHECKPOINT_FOLDER, MANIFEST_FILE
from palm.training.earlier_runs import read_records
from palm.training.log import Reporter, exported_run_line, extended_line, missing_best_line


class RunModel:
    """Writes the model of a run, with the heads of all tasks that it trains.

    It is of the best step of `selection` or `metric_for_best_model` where the run has one, whose checkpoint is kept,
    and else of the end of the run; with an average of the weights, it has the averaged ones.

    Args:
        run: The run.
        reporter: Receives lines and metrics.
        backbone_name: Name of the backbone, for config.json.
        folder: Where to write it.
        save_path: Folder of metrics.jsonl and of the checkpoints.
        origin: Where the model comes from, for its model card.
        extended: The model whose encoder the run has frozen: the heads are added to a copy of it.
    """

    def __init__(
        self,
        run: TrainingRun,
        reporter: Reporter,
        *,
        backbone_name: str,
        folder: Path,
        save_path: Path,
        origin: ModelOrigin,
        extended: Path | None = None,
    ) -> None:
        self._run = run
        self._reporter = reporter
        self._backbone_name = backbone_name
        self._folder = folder
        self._save_path = save_path
        self._origin = origin
        self._extended = extended
        self._failure: CheckpointError | None = None

    def write(self) -> None:
        """Write it from the present weights, averaged if the caller uses the average, or from the best checkpoint.

        A failure is kept for `raise_failure`: the models of targets and the checkpoint are written after this one.
        """
        try:
            self._write()
        except CheckpointError as error:
            self._failure = error

    def write_if_missing(self) -> None:
        """Write it after a resume of a run that had ended, unless it is there."""
        self._run.ranks.on_first(self._write_if_missing)
        self.raise_failure()

    def _write_if_missing(self) -> None:
        if not self._is_there():
            with averaged(self._run.average):
                self.write()
            self.announce()

    def announce(self) -> None:
        """Say that it is written, and of which step; a line in metrics.jsonl as well."""
        if self._failure is not None:
            return
        step, names = self.of_step, [task.name for task in trained_tasks(self._run)]
        self._reporter.log(exported_run_line(self._folder, step, names))
        if self._extended is not None:
            self._reporter.log(extended_line(self._extended))
        record = {"split": "run_model", "global_step": self._run.progress.global_step, "task": None}
        self._reporter.record({**record, "of_step": step, "tasks": names}, folder=self._folder)

    def raise_failure(self) -> None:
        """Raise what went wrong when it was written.

        Raises:
            CheckpointError: It could not be written.
        """
        self._run.ranks.on_first(self._raise_failure)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    @property
    def of_step(self) -> int:
        """The global step that it is of: the best one, unless its checkpoint is gone."""
        best, now = self._run.progress.best.run, self._run.progress.global_step
        return best.global_step if best and self._checkpoint(best.global_step).is_dir() else now

    def _checkpoint(self, step: int) -> Path:
        return self._save_path / CHECKPOINT_FOLDER / f"step_{step}"

    def _write(self) -> None:
        run, step = self._run, self.of_step
        best = run.progress.best.run
        weights: Mapping[str, Tensor] | None = None
        if step != run.progress.global_step:
            verify(self._checkpoint(step))
            weights = saved_weights(run, self._checkpoint(step))
        elif best is not None and best.global_step != step:  # such as after a resume from another checkpoint alone
            self._reporter.say(missing_best_line("all tasks", best, self._checkpoint(best.global_step)))
        tasks = trained_tasks(run)
        save = save_run if self._extended is None else partial(save_extended_run, self._extended)
        facts = self._facts(tasks)
        save(run.model, tasks, backbone_name=self._backbone_name, folder=self._folder, facts=facts, weights=weights)

    def _facts(self, tasks: Sequence[TaskInstance]) -> RunFacts:
        step = self.of_step
        return RunFacts(step, dev_metrics_at(self._save_path, step), data_of(self._run, tasks), self._origin)

    def _is_there(self) -> bool:
        """Whether the folder holds what would be written."""
        try:
            verify(self._folder)
            saved = read_saved_run(self._folder)
        except PalmError:
            return False
        facts = self._facts(trained_tasks(self._run))
        same_step = saved.global_step == (facts.global_step if self._extended is None else None)
        data = {name: task.data for name, task in saved.tasks.items()}
        added = data if self._extended is None else {name: data[name] for name in facts.data if name in data}
        return same_step and added == dict(facts.data)


def missing_run_model_line(folder: Path) -> Iterator[str]:
    """A line for a run that has ended without a model of all its tasks, as those of earlier versions have."""
    if not (folder / MANIFEST_FILE).is_file():
        rule = "there is no model of all its tasks, and no checkpoint to write one from"
        yield f"{folder.as_posix()}: {rule}. The tasks have their own; train again for one with all heads."


def trained_tasks(run: TrainingRun) -> list[TaskInstance]:
    """The tasks of a run whose heads are trained: by the task itself, or by another one that shares it."""
    trained = {task.head for task in run.tasks if task.settings.mix_ratio > 0}
    return [task for task in run.tasks if task.head in trained]


def data_of(run: TrainingRun, tasks: Sequence[TaskInstance]) -> dict[str, dict[str, object]]:
    """What each of `tasks` was trained and evaluated on: the number of rows, and their sha256."""
    return {task.name: {**without_labels(run.data.get(task.name, {})), **describe_evaluated(task)} for task in tasks}


def dev_metrics_at(save_path: Path, global_step: int) -> dict[str, dict[str, float]]:
    """The dev metrics of each task at a global step, from metrics.jsonl."""
    found: dict[str, dict[str, float]] = {}
    for record in read_records(save_path):
        if record.get("split") == "dev" and record.get("global_step") == global_step:
            metrics = {
                name: value for name, value in record.items() if isinstance(value, float) and math.isfinite(value)
            }
            found[str(record["task"])] = metrics
    return found
