"""Measures what 8-bit integers cost an exported model: its main metric in each precision, and how long each takes."""

import time
from pathlib import Path

from palm.data.dataset import Dataset
from palm.engine.model import MultiTaskModel
from palm.engine.predict import metrics_over
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.inference.int8 import Int8Measurement, level_here
from palm.inference.precision import PredictionPrecision
from palm.metric.base import main_metric
from palm.schema.fields import Precision
from palm.storage.atomic_directory import recorded_sha256
from palm.storage.layout import WEIGHTS_FILE

_LAPS = 4
_SECONDS = 20.0
"""After these no further lap is begun: a large file is long enough to be timed once."""


def measure_int8(model: MultiTaskModel, task: TaskInstance, dataset: Dataset, folder: Path) -> Int8Measurement:
    """Evaluate `dataset` in float32, int8 and, if the model was trained in it, bf16.

    Args:
        model: An exported model.
        task: Its task.
        dataset: Data with gold labels.
        folder: The model's folder.

    Raises:
        ConfigError: This machine or this model does not compute in int8, or the task has no metric.
    """
    level = level_here()
    names: tuple[Precision, ...] = ("float32", "int8", "bf16") if model.amp == "bf16" else ("float32", "int8")
    precisions = {name: PredictionPrecision(name, model) for name in names}
    metrics, seconds = dict[str, dict[str, float]](), dict[str, float]()
    begin = time.perf_counter()
    for lap in range(_LAPS):  # the precisions in turn, so that a busy moment hits all; the first lap packs weights
        for name, precision in precisions.items():
            start = time.perf_counter()
            metrics[name] = metrics_over(model, task, dataset, precision)
            took = time.perf_counter() - start
            seconds[name] = took if lap < 2 else min(took, seconds[name])
        if time.perf_counter() - begin > _SECONDS:
            break
    main = main_metric(metrics["float32"])
    if main not in metrics["float32"]:
        rule = "int8 is measured by the main metric of a task. Found none."
        raise ConfigError(Problem(f"tasks.{task.name}.metrics", f"{rule} Name one."))
    return Int8Measurement(
        weights=recorded_sha256(folder, WEIGHTS_FILE),
        kernels=level,
        data=str(dataset.file),
        rows=len(dataset.records),
        metric=main,
        float32=metrics["float32"][main],
        int8=metrics["int8"][main],
        seconds={name: round(value, 6) for name, value in seconds.items()},
    )
