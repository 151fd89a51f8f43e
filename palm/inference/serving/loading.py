"""Loads the model of a server, and chooses what computes it: PALM's own kernels, or another runtime that is faster."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from palm.data.dataset import GivenRow
from palm.errors import ConfigError, Problem
from palm.inference.load import load
from palm.inference.predictor import Predictor
from palm.inference.serving.served_model import ServedModel
from palm.inference.serving.settings import ServeSettings
from palm.registry import did_you_mean

AUTO, PALM = "auto", "palm"
RUNTIMES = (PALM,)
"""What can compute a model, PALM's own kernels first."""

_log = logging.getLogger(__name__)
_LAPS, _ROWS = 3, 8
_SAMPLE = "book me a quiet room with a view of the river for two nights 预订一个房间 please"


def load_served(settings: ServeSettings, runtime: str) -> ServedModel:
    """The model of the settings, computed by `runtime`.

    Raises:
        CheckpointError: There is none, or a damaged one.
        ConfigError: It lacks a task of the settings, or does not compute in their precision.
    """
    found = load(settings.model, precision=settings.precision)
    predictors: Mapping[str, Predictor] = {found.task: found} if isinstance(found, Predictor) else found
    _check_tasks(settings, predictors)
    if settings.tasks:
        predictors = {name: predictors[name] for name in settings.tasks}
    return ServedModel(_name(settings.model), predictors, runtime=runtime)


def choose_runtime(settings: ServeSettings) -> ServedModel:
    """The model, computed by what the settings name; with `auto` by what is faster on this machine.

    Raises:
        CheckpointError: There is no model, or a damaged one.
        ConfigError: It cannot be computed so.
    """
    if settings.runtime != AUTO:
        return load_served(settings, settings.runtime)
    models = {runtime: load_served(settings, runtime) for runtime in RUNTIMES}
    if len(models) == 1:
        return models[PALM]
    seconds = {runtime: measure_seconds(model) for runtime, model in models.items()}
    fastest = min(seconds, key=lambda runtime: seconds[runtime])
    told = ", ".join(f"{runtime} {_ROWS / each:,.0f} rows/s" for runtime, each in seconds.items())
    _log.info("runtime: %s, which is the faster one here (%s)", fastest, told)
    return models[fastest]


def measure_seconds(model: ServedModel) -> float:
    """The shortest time of a few rows with every task; the first call, which prepares weights, is not counted."""
    laps = []
    for _ in range(_LAPS + 1):
        began = time.perf_counter()
        for task in model.tasks.values():
            rows = sample_rows(task.columns, _ROWS)
            model.compute(rows, [task.name])
        laps.append(time.perf_counter() - began)
    return min(laps[1:])


def sample_rows(columns: Sequence[str], count: int) -> list[GivenRow]:
    """Rows of these columns, to measure with."""
    return [dict.fromkeys(columns, f"{_SAMPLE} {number}") for number in range(count)]


def _check_tasks(settings: ServeSettings, there: Mapping[str, Predictor]) -> None:
    for name in settings.tasks:
        if name not in there:
            hint = did_you_mean(name, list(there))
            rule = f"names tasks of the model ({', '.join(there)}). Found `{name}`.{hint} Correct it."
            raise ConfigError(Problem("--tasks", rule))


def _name(model: Path) -> str:
    """The last part of the path that says something: `RUN` of `RUN/infer_model`."""
    resolved = model.expanduser().resolve()
    return resolved.parent.name if resolved.name == "infer_model" else resolved.name
