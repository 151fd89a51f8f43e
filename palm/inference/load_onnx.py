"""Predictors that compute with ONNX Runtime: of an exported folder, or of a trained model, written as a graph here."""

from collections.abc import Sequence
from pathlib import Path

from palm.errors import ConfigError, Problem
from palm.inference.export.description import read_description
from palm.inference.exported import is_exported
from palm.inference.int8 import measurement_file
from palm.inference.onnx_runtime import OnnxRuntime
from palm.inference.predictor import Predictor
from palm.inference.run_predictor import RunPredictor
from palm.inference.saved_tasks import load_tasks
from palm.schema.fields import Precision
from palm.schema.saved_model import read_saved_run
from palm.storage.atomic_directory import verify


def load_onnx(
    folder: Path,
    tasks: Sequence[str] | None,
    runtime: str | None,
    precision: Precision,
    *,
    keep_columns: Sequence[str] | None = None,
    threads: int | None = None,
) -> RunPredictor:
    """The tasks of a model in ONNX Runtime.

    Args:
        folder: A trained model, or what `palm export --to onnx` has written.
        tasks: The tasks; all of them by default.
        runtime: The runtime that was asked for.
        precision: The precision that was asked for.
        keep_columns: Further columns of a file that predictions keep.
        threads: Threads of one pass.

    Raises:
        ConfigError: onnx or onnxruntime is not installed, the folder holds another kind of graph, there is no such
            task, or the graph is of another precision.
        CheckpointError: The folder is missing or damaged.
    """
    verify(folder)
    saved = read_saved_run(folder)
    instances = load_tasks(folder, saved, tasks)
    if is_exported(folder):
        model = _exported(folder, runtime, precision, threads)
    else:
        _check_precision(folder, precision, "float32")
        model = OnnxRuntime.of_model(folder, [task.name for task in instances], threads=threads)
    predictors = {
        task.name: Predictor.of_task(task, model, measurement_file(folder, task.name), keep_columns)
        for task in instances
    }
    return RunPredictor(predictors, saved)


def _exported(folder: Path, runtime: str | None, precision: Precision, threads: int | None) -> OnnxRuntime:
    described = read_description(folder)
    files = described.get("files")
    if described.get("format") != OnnxRuntime.name or not isinstance(files, list) or not files:
        rule = "PALM predicts with a graph in ONNX (`palm export --to onnx`); other programs load others."
        raise ConfigError(Problem("palm.load", f"{rule} Found one in {described.get('format')}: {folder}."))
    if runtime not in (None, OnnxRuntime.name):
        rule = "the folder holds a graph instead of weights, so it is for ONNX Runtime."
        raise ConfigError(Problem("runtime", f"{rule} Found `{runtime}`. Leave it out, or load the trained model."))
    own = str(described.get("precision", "float32"))
    _check_precision(folder, precision, own)
    return OnnxRuntime(folder / Path(str(files[0])).name, threads=threads, precision=own)


def _check_precision(folder: Path, wanted: Precision, own: str) -> None:
    if wanted not in ("auto", own):
        rule = f"{folder} predicts in {own} with ONNX Runtime."
        advice = "Leave it out. `palm export --to onnx --precision int8` writes a graph in int8."
        raise ConfigError(Problem("precision", f"{rule} Found `{wanted}`. {advice}"))
