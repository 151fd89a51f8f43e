"""The analyses of a run: its models over its dev rows, as far as they are not kept from before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from palm.analysis import MOST_ROWS
from palm.analysis.kept import (
    VERSION,
    KeptAnalysis,
    kept_file,
    model_fingerprint,
    model_to_analyse,
    read_kept,
    rows_fingerprint,
    write_kept,
)
from palm.analysis.task import analyse_task
from palm.analysis.task_analysis import TaskAnalysis
from palm.controller import Controller
from palm.data.dataset import Dataset
from palm.errors import PalmError
from palm.randomness import philox
from palm.storage.layout import RESOLVED_CONFIG

TaskProgress = Callable[[str, int, int], None]
"""Called with the task, the number of finished examples, and of all."""


@dataclass(frozen=True)
class AnalysedRun:
    """What is known of a run's predictions.

    Attributes:
        tasks: The analysis of each task that has one.
        left_out: Why the others have none.
    """

    tasks: Mapping[str, TaskAnalysis]
    left_out: Mapping[str, str]


def analyse_run(
    run: Path,
    tasks: Sequence[str] | None = None,
    *,
    most_rows: int = MOST_ROWS,
    progress: TaskProgress | None = None,
) -> AnalysedRun:
    """Analyse the predictions of a run's models on the dev rows of its tasks, and keep the analyses in its folder.

    The model of all tasks predicts, as in `palm eval RUN`; without one, that of each task. A folder that cannot be
    written keeps nothing.

    Args:
        run: Its save_path.
        tasks: The tasks; all by default.
        most_rows: Dev rows of a task, at most; of more, so many are sampled, always the same.
        progress: Called after each batch.

    Raises:
        ConfigError: A package is not installed, or config.resolved.yaml is not valid.
    """
    words = [f"--save_path={run.as_posix()}"]
    controller = Controller(str(run / RESOLVED_CONFIG), for_train=False, overrides=words)
    found: dict[str, TaskAnalysis] = {}
    left_out: dict[str, str] = {}
    for config in controller.config.tasks:
        name, settings = config.name, config.settings
        if tasks is not None and name not in tasks:
            continue
        model = model_to_analyse(run, name)
        source = settings.train_file if settings.dev_fraction is not None else settings.dev_file
        if model is None or source is None:
            left_out[name] = "no dev_file" if source is None else "no inference model yet"
            continue
        try:
            found[name] = _analysis(controller, name, run, model, (str(source), most_rows), progress)
        except PalmError as error:
            left_out[name] = str(error)
    return AnalysedRun(found, left_out)


def _analysis(
    controller: Controller,
    task: str,
    run: Path,
    model: Path,
    wanted: tuple[str, int],
    progress: TaskProgress | None,
) -> TaskAnalysis:
    """The kept analysis of the model and these rows, or a new one."""
    source, most = wanted
    keys = model_fingerprint(model), rows_fingerprint(run, task, source, most)
    kept = read_kept(kept_file(run, task))
    if kept is not None and (kept.model, kept.rows) == keys:
        return kept.analysis
    predictor, rows = controller.to_evaluate(task, model)
    after = None if progress is None else partial(progress, task)
    found = analyse_task(predictor, _sampled(rows, task, most), after, of_rows=len(rows.records))
    try:
        write_kept(KeptAnalysis(version=VERSION, model=keys[0], rows=keys[1], analysis=found), kept_file(run, task))
    except OSError:
        return found
    return found


def _sampled(dataset: Dataset, task: str, most: int) -> Dataset:
    count = len(dataset.records)
    if count <= most:
        return dataset
    kept = np.zeros(count, "bool")
    kept[philox(0, "analysed rows", task).permutation(count)[:most]] = True
    return dataset.take(kept)
