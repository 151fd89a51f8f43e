"""`palm.load`: the models of a run, to predict rows with, all tasks from one pass of the encoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from palm.errors import ConfigError, Problem
from palm.inference.bundle import load_run
from palm.inference.exported import exported_tasks, is_exported, model_folder
from palm.inference.int8 import measurement_file
from palm.inference.load_onnx import load_onnx
from palm.inference.precision import check_precision
from palm.inference.predictor import PrecisionKeys, Predictor
from palm.inference.run_predictor import RunPredictor
from palm.inference.runtime import PalmRuntime
from palm.registry import did_you_mean
from palm.schema.fields import Kernels, Precision
from palm.schema.saved_model import holds_run

RuntimeName = Literal["palm", "onnx"]


def load(
    path: str | Path,
    *,
    tasks: Sequence[str] | None = None,
    kernels: Kernels = "auto",
    precision: Precision = "auto",
    max_drop: float | None = None,
    allow_unmeasured: bool = False,
    keep_columns: Sequence[str] | None = None,
    runtime: RuntimeName | None = None,
    threads: int | None = None,
) -> Predictor | RunPredictor:
    """Load what a run has exported, to predict texts: `palm.load("RUN/task")(["one text", {"text_a": "another"}])`.

    Args:
        path: `RUN/task` or its `infer_model`, which gives a `Predictor`; or the save_path of a run or its
            `infer_model`, which gives a `RunPredictor` over all tasks of the run's model. Where a run has none (before
            PALM wrote it), it is over the models of its targets, each with an encoder of its own.
        tasks: The tasks to load; with it the result is a `RunPredictor`.
        kernels: The encoder's kernels on the CPU: `auto`, `fused` or `plain`.
        precision: `auto`, `float32`, `bf16` or `int8`; see `Predictor`.
        max_drop: Points (hundredths) of the main metric that int8 may cost; 0.3 by default.
        allow_unmeasured: Whether `int8` may be used without a measurement.
        keep_columns: Further columns of a file that predictions keep.
        runtime: `palm` for PALM's own kernels, `onnx` for ONNX Runtime, which computes in float32; by default `palm`,
            and `onnx` for a folder that `palm export --to onnx` has written, in the precision of its graph.
        threads: Threads of ONNX Runtime; by default `OMP_NUM_THREADS`, else as many as cores.

    Raises:
        ConfigError: `path` is no path, there is no such task, no kernel for `precision`, int8 is not measured or costs
            too much, or a key is of the other runtime.
        CheckpointError: No inference model is there, or a damaged one.
    """
    if not isinstance(path, str | Path) or not str(path):
        found = f"Found {type(path).__name__} `{path}`."
        rule = "load() takes the path of a run, of a task in it (`RUN/task`) or of an inference model."
        raise ConfigError(Problem("palm.load", f"{rule} {found} Pass a string or a Path."))
    check_precision(precision)
    _check_runtime(runtime)
    keys = PrecisionKeys(precision, max_drop, allow_unmeasured)
    folder = model_folder(path)
    on_onnx = runtime == "onnx" or (folder is not None and is_exported(folder))
    _check_keys_of_runtime(on_onnx, kernels, keys, threads)
    if folder is not None:
        if on_onnx:
            run = load_onnx(folder, tasks, runtime, precision, keep_columns=keep_columns, threads=threads)
        else:
            run = _load_model(folder, tasks, kernels, keys, keep_columns)
        return run if tasks is not None or holds_run(folder) else next(iter(run.values()))
    places = _chosen(path, exported_tasks(path), tasks)
    models = [
        load_onnx(place, None, runtime, precision, keep_columns=keep_columns, threads=threads)
        if runtime == "onnx"
        else _load_model(place, None, kernels, keys, keep_columns)
        for place in places.values()
    ]
    return RunPredictor(dict(zip(places, (next(iter(model.values())) for model in models), strict=True)))


def _load_model(
    folder: Path,
    tasks: Sequence[str] | None,
    kernels: Kernels,
    keys: PrecisionKeys,
    keep_columns: Sequence[str] | None,
) -> RunPredictor:
    """The tasks of one model, which share its encoder."""
    loaded = load_run(folder, tasks, kernels)
    files = {task.name: measurement_file(folder, task.name) for task in loaded.tasks}
    precisions = {task.name: keys.of_task(task, loaded.model, files[task.name]) for task in loaded.tasks}
    runtime = PalmRuntime(loaded.model, precisions)
    predictors = {task.name: Predictor.of_task(task, runtime, files[task.name], keep_columns) for task in loaded.tasks}
    return RunPredictor(predictors, loaded.saved)


def _chosen(path: str | Path, exported: Mapping[str, Path], tasks: Sequence[str] | None) -> Mapping[str, Path]:
    if tasks is None:
        return exported
    missing = next((name for name in tasks if name not in exported), None)
    if missing is not None or not tasks:
        found = "Found none" if missing is None else f"Found `{missing}`{did_you_mean(str(missing), list(exported))}"
        raise ConfigError(Problem("tasks", f"one of {', '.join(exported)} is expected, exported in {path}. {found}."))
    return {name: exported[name] for name in dict.fromkeys(tasks)}


def _check_keys_of_runtime(on_onnx: bool, kernels: Kernels, keys: PrecisionKeys, threads: int | None) -> None:
    """Refuse keys that what computes would ignore."""
    if not on_onnx:
        if threads is not None:
            rule = "threads is for ONNX Runtime; PALM's own kernels take theirs from OMP_NUM_THREADS."
            raise ConfigError(Problem("threads", f'{rule} Found `{threads}`. Leave it out, or set runtime="onnx".'))
        return
    given = {"kernels": kernels != "auto", "max_drop": keys.max_drop is not None}
    for name in [name for name, is_given in {**given, "allow_unmeasured": keys.allow_unmeasured}.items() if is_given]:
        rule = f"{name} is for PALM's own kernels, and ONNX Runtime computes here."
        advice = "Leave it out; `palm export --precision int8` measures what int8 costs."
        raise ConfigError(Problem(name, f"{rule} {advice}"))


def _check_runtime(runtime: str | None) -> None:
    if runtime is not None and runtime not in get_args(RuntimeName):
        rule = f"runtime is one of {', '.join(get_args(RuntimeName))}."
        raise ConfigError(Problem("runtime", f"{rule} Found `{runtime}`. Leave it out for PALM's own kernels."))


__all__ = ["RunPredictor", "load"]
