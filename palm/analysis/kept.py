"""Analyses that are kept beside a run, and how they are known to be still true."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from palm.analysis.scores import Facts
from palm.analysis.task_analysis import TaskAnalysis
from palm.errors import CheckpointError
from palm.schema.saved_model import holds_run, is_inference_model, model_in
from palm.storage.atomic_directory import recorded_sha256, sha256_of
from palm.storage.layout import ANALYSIS_FILE, CONFIG_FILE, DEV_ROWS_FILE, PALM_VERSION, WEIGHTS_FILE

VERSION = 1


class KeptAnalysis(Facts):
    """An analysis, with the model and the rows that it is of.

    Attributes:
        version: Version of the file.
        model: Fingerprint of the model, its temperature included.
        rows: Fingerprint of the rows and of how many of them were analysed.
        analysis: The analysis.
    """

    version: int
    model: str
    rows: str
    analysis: TaskAnalysis


def kept_file(run: Path, task: str) -> Path:
    """Where the analysis of a task is kept."""
    return run / task / ANALYSIS_FILE


def read_kept(file: Path) -> KeptAnalysis | None:
    """A kept analysis; None if there is none of this version, or a damaged one, which is made again."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("version") != VERSION:
            return None
        return KeptAnalysis.model_validate(content)
    except (OSError, ValueError, ValidationError, RecursionError):
        return None


def write_kept(kept: KeptAnalysis, file: Path) -> None:
    """Keep an analysis, in one step.

    Raises:
        OSError: The file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_text(kept.model_dump_json(indent=1) + "\n", encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def model_to_analyse(run: Path, task: str) -> Path | None:
    """The model whose predictions a run's analyses are of: that of all tasks, or else the task's own; None without."""
    whole = model_in(run)
    if whole is not None and holds_run(whole):
        return whole
    own = model_in(run / task)
    return own if own is not None and is_inference_model(own) else None


def model_fingerprint(model: Path) -> str:
    """What distinguishes a model from others in its place.

    Raises:
        CheckpointError: Its manifest is damaged.
    """
    return _digest([recorded_sha256(model, name) for name in (WEIGHTS_FILE, CONFIG_FILE)])


def rows_fingerprint(run: Path, task: str, source: str, most: int) -> str:
    """What distinguishes the rows that are analysed: their file and its content, and how many.

    Args:
        run: The run.
        task: The task.
        source: The file, or the name of what is no file, such as a hub data set.
        most: How many rows are analysed at most.
    """
    parts = [source, str(most), PALM_VERSION]
    parts += [sha256_of(file) for file in (Path(source), run / task / DEV_ROWS_FILE) if file.is_file()]
    return _digest(parts)


def read_analyses(run: Path, tasks: Iterable[str]) -> dict[str, TaskAnalysis]:
    """The kept analyses of tasks of a run that are of its present models."""
    found = {}
    for task in tasks:
        kept, model = read_kept(kept_file(run, task)), model_to_analyse(run, task)
        try:
            if kept is not None and model is not None and kept.model == model_fingerprint(model):
                found[task] = kept.analysis
        except CheckpointError:
            continue
    return found


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
