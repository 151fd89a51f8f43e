"""Finds the inference models that a run has exported."""

from collections.abc import Sequence
from pathlib import Path

from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, ConfigError, Problem
from palm.schema.saved_model import holds_run, is_inference_model, model_in
from palm.storage.layout import DESCRIPTION_FILE, INFERENCE_FOLDER


def model_folder(path: str | Path) -> Path | None:
    """The inference model in `path`, which is one or the folder of a task or of a run; None for anything else."""
    return model_in(Path(path).expanduser())


def run_model(path: str | Path) -> Path | None:
    """The model of a run in `path`, with the heads of several tasks; None where there is none."""
    place = model_folder(path)
    return place if place is not None and holds_run(place) else None


def exported_tasks(run: str | Path) -> dict[str, Path]:
    """The inference model of each task that the run in folder `run` has exported, by task, in order of their names.

    Raises:
        CheckpointError: There is none.
    """
    folder = Path(run).expanduser()
    below = _models_below(folder, f"*/{INFERENCE_FOLDER}")
    found = {place.parent.name: place for place in below if not holds_run(place)}
    if found:
        return found
    deeper = [place.parent for place in below or _models_below(folder, f"*/*/{INFERENCE_FOLDER}")]
    if deeper:
        rule = "a path to predict from is that of a task or of a run. Found models further down"
        raise CheckpointError(f"{run}: {rule}: {', '.join(map(str, deeper))}. Name one of them, or its folder.")
    raise CheckpointError(f"{run}: no inference model here. {advice_for(folder)}")


def _models_below(folder: Path, pattern: str) -> list[Path]:
    return sorted(place for place in folder.glob(pattern) if is_inference_model(place))


def is_exported(place: Path) -> bool:
    """Whether `palm export` has written the folder `place`: it holds a graph instead of weights."""
    return (place / DESCRIPTION_FILE).is_file()


def refuse_unwritable(tasks: Sequence[TaskInstance]) -> None:
    """Refuse to write the heads of `tasks` as a graph for other programs, where one cannot be.

    Raises:
        ConfigError: With the reason of each of these.
    """
    problems = []
    for task in tasks:
        reason = task.paradigm.export_refusal
        if reason is not None:
            rule = f"its head cannot be written as a graph for other programs, as {reason}."
            advice = "Leave the task out (--tasks), and predict it with PALM: palm pred, palm serve, palm.load."
            problems.append(Problem(f"tasks.{task.name}", f"{rule} {advice}"))
    if problems:
        raise ConfigError(problems)


def advice_for(folder: Path) -> str:
    """What to do where `folder` holds no inference model."""
    if folder.is_dir():
        return "Train first, or name the save_path of a run, or a task in it (RUN/task)."
    siblings = [str(place.parent) for place in _models_below(folder.parent, f"*/{INFERENCE_FOLDER}")]
    there = f" There are {', '.join(siblings)}." if siblings else ""
    return f"Found nothing at this path.{there} Correct it, or train first."
