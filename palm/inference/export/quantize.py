"""8-bit integers for an ONNX graph, by ONNX Runtime's dynamic quantisation, and what they cost each head."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.data.dataset import Dataset
from palm.engine.predict import run_with, score
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.inference.int8 import both_values, points_lost
from palm.inference.onnx.packages import onnx_package, onnxruntime_package
from palm.inference.runtime import Runtime, compute_with
from palm.metric.base import main_metric
from palm.runtime.environment import this_machine

_MATRIX_OPERATIONS = ["MatMul", "Gather", "LSTM"]
_PRODUCTS_IN_32_BITS = ("avx512_vnni", "avx_vnni", "asimddp")
"""Flags of CPUs that add products of 8-bit integers in 32 bits; others do in 16, which overflow."""
_SMALL = 1024
"""Numbers of a constant that is not worth a word: a bias, or weights of a normalisation."""


@dataclass(frozen=True)
class Cost:
    """The main metric of a task in float32 and in int8.

    Attributes:
        task: The task.
        metric: Its main metric.
        float32: Its value in float32.
        int8: Its value in int8.
        rows: Number of records.
        data: The data with gold labels.
    """

    task: str
    metric: str
    float32: float
    int8: float
    rows: int
    data: str

    @property
    def drop(self) -> float:
        """By how many points (hundredths) int8 is worse; negative where it is better."""
        return points_lost(self.metric, self.float32, self.int8)

    def __str__(self) -> str:
        values = both_values(self.metric, self.float32, self.int8)
        return f"{self.task}: {values}, a drop of {self.drop:.2f} ({self.rows} rows of {self.data})"


@dataclass(frozen=True)
class Quantized:
    """What quantisation has done.

    Attributes:
        reduced_range: Whether weights have 7 bits, for this CPU.
        kept: Constants that stay float32, the largest first: their names and sizes in bytes.
    """

    reduced_range: bool
    kept: Mapping[str, int]


def quantize(source: Path, target: Path) -> Quantized:
    """Write the graph `source` with weights in 8-bit integers, a scale for each column or table, to the file `target`.

    Products are those of 8-bit integers, whose inputs are rounded as they come: nothing has to be calibrated.

    Raises:
        ConfigError: onnx or onnxruntime is not installed.
    """
    onnx = onnx_package()
    onnxruntime_package()
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 (takes a second)

    reduced = not any(flag in this_machine().cpuinfo.split() for flag in _PRODUCTS_IN_32_BITS)
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)  # its advice about pre-processing is for graphs of other programs
    try:
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=_MATRIX_OPERATIONS,
            per_channel=True,
            reduce_range=reduced,
            weight_type=QuantType.QInt8,
        )
    finally:
        log.setLevel(level)
    constants = onnx.load(str(target)).graph.initializer
    kept = {each.name: 4 * int(np.prod(each.dims)) for each in constants if each.data_type == onnx.TensorProto.FLOAT}
    large = {name: size for name, size in kept.items() if size > 4 * _SMALL and not name.endswith("_scale")}
    return Quantized(reduced, dict(sorted(large.items(), key=lambda pair: -pair[1])))


def costs(one: Runtime, other: Runtime, tasks: Sequence[TaskInstance], datasets: Mapping[str, Dataset]) -> list[Cost]:
    """The main metric of each task with two runtimes, in float32 and in int8, over data with gold labels.

    Raises:
        ConfigError: A task without a metric.
    """
    found = []
    for task in tasks:
        data = datasets[task.name]
        before, after = (
            score(task, run_with(compute_with(runtime), task, data, "eval"), data) for runtime in (one, other)
        )
        main = main_metric(before)
        if main not in before:
            rule = "the cost of int8 is measured by the main metric of a task. Found none."
            raise ConfigError(Problem(f"tasks.{task.name}.metrics", f"{rule} Name one, or leave the task out."))
        found.append(Cost(task.name, main, before[main], after[main], len(data.records), str(data.file)))
    return found


def refuse_costly(found: Sequence[Cost], max_drop: float) -> None:
    """Refuse a model whose heads lose more than `max_drop` points.

    Raises:
        ConfigError: Naming each of them.
    """
    rule = f"int8 may cost {max_drop:g} points of the main metric of a task (--max_drop)."
    advice = "Export in float32, leave the task out (--tasks), or raise --max_drop."
    problems = [
        Problem("--precision int8", f"{rule} Found {cost}. {advice}") for cost in found if not cost.drop <= max_drop
    ]
    if problems:
        raise ConfigError(problems)
