"""What the table at the end of a run says of each task."""

from collections.abc import Iterator

from palm.training.display.columns import short_number
from palm.training.display.facts import duration
from palm.training.display.live_run import LiveRun, LiveTask


def summary_rows(run: LiveRun) -> Iterator[tuple[str, str, str, str, str]]:
    """Task, metric, its best value, the step of the exported model, and its folder; the model of all tasks last."""
    for task in run.tasks.values():
        step, folder = (f"{task.exported_step:,}", task.folder) if task.exported_step is not None else ("", "")
        yield (task.name, *_best(task), step, folder)
    if run.run_model_step is not None:
        yield ("all tasks", "", "", f"{run.run_model_step:,}", run.run_model_folder)


def _best(task: LiveTask) -> tuple[str, str]:
    return ("", "") if task.best is None else (task.best.name, short_number(task.best.value))


def took(run: LiveRun) -> str:
    """`405 steps in 2:03`."""
    return f"{run.done:,} steps in {duration(run.seconds)}"
