"""Loads the model of a server, and chooses what computes it: PALM's own kernels, or another runtime that is faster."""

import logging
import time
from pathlib import Path
from typing import cast, get_args

from palm.errors import ConfigError
from palm.inference.load import RuntimeName, load
from palm.inference.predictor import Predictor
from palm.inference.run_predictor import RunPredictor
from palm.inference.serving.served_model import RowTasks, ServedModel, ServedTask
from palm.inference.serving.settings import ServeSettings
from palm.storage.layout import INFERENCE_FOLDER

AUTO = "auto"
_COMPARED = "predicts in float32"

_log = logging.getLogger(__name__)
_LAPS, _ROWS = 3, 8
_SAMPLE = "book me a quiet room with a view of the [MASK] for two nights 预订一个房间 please"


def load_served(settings: ServeSettings, runtime: str | None) -> ServedModel:
    """The model of the settings, computed by `runtime`; with None by what its folder was written for.

    Raises:
        CheckpointError: There is none, or a damaged one.
        ConfigError: It lacks a task of the settings, or is not computed so on this machine.
    """
    found = load(
        settings.model,
        tasks=settings.tasks or None,
        precision=settings.precision,
        runtime=cast("RuntimeName | None", runtime),
    )
    run = RunPredictor({found.task: found}) if isinstance(found, Predictor) else found
    return ServedModel(_name(settings.model), run, next(iter(run.values())).runtime.name)


def choose_runtime(settings: ServeSettings) -> ServedModel:
    """The model, computed by what the settings name; with `auto` by what is faster on this machine.

    Only PALM's float32 is compared with others: where a model predicts in another precision, or was exported for one
    runtime, there is nothing to choose.

    Raises:
        CheckpointError: There is no model, or a damaged one.
        ConfigError: It cannot be computed so.
    """
    if settings.runtime != AUTO:
        return load_served(settings, settings.runtime)
    own, *others = get_args(RuntimeName)
    models = [load_served(settings, None)]
    if models[0].runtime != own or models[0].precision != _COMPARED:
        return models[0]
    for runtime in others:
        try:
            models.append(load_served(settings, runtime))
        except ConfigError as error:
            _log.info("runtime: %s; not %s: %s", own, runtime, error)
    return models[0] if len(models) == 1 else _fastest(models)


def _fastest(models: list[ServedModel]) -> ServedModel:
    seconds = [measure_seconds(model) for model in models]
    best = models[seconds.index(min(seconds))]
    told = ", ".join(f"{model.runtime} {_ROWS / each:,.0f} rows/s" for model, each in zip(models, seconds, strict=True))
    _log.info("runtime: %s, the faster one here for %d rows of all tasks: %s", best.runtime, _ROWS, told)
    return best


def measure_seconds(model: ServedModel) -> float:
    """The shortest time of a few rows with every task; the first call, which prepares weights, is not counted."""
    by_columns: dict[tuple[str, ...], list[ServedTask]] = {}
    for task in model.tasks.values():
        by_columns.setdefault(task.columns, []).append(task)
    units = []
    for columns, tasks in by_columns.items():
        row_of_texts, names = tasks[0].predictor.reader.row_of_texts, tuple(task.name for task in tasks)
        for number in range(_ROWS):
            row = row_of_texts([f"{_SAMPLE} {number}"] * len(columns))
            units.append(RowTasks(row, number, names))
    laps = []
    for _ in range(_LAPS + 1):
        began = time.perf_counter()
        model.predict(units)
        laps.append(time.perf_counter() - began)
    return min(laps[1:])


def _name(model: Path) -> str:
    """The last part of the path that says something: `RUN` of `RUN/infer_model`."""
    resolved = model.expanduser().resolve()
    return resolved.parent.name if resolved.name == INFERENCE_FOLDER else resolved.name
