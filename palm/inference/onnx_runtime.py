"""Prediction with ONNX Runtime: the same readers and decoding, another program for the encoder and the heads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from palm.data.dataset import Batch
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, ConfigError, Problem
from palm.inference.onnx.assembly import output_name
from palm.inference.onnx.model_file import TASKS_KEY, build_graph, fits_one_file, save_graph
from palm.inference.onnx.packages import onnxruntime_package
from palm.paradigm.base import Outputs
from palm.runtime.environment import named_threads
from palm.spec import Phase

_TYPES = {"tensor(int64)": "int64", "tensor(float)": "float32"}


class OnnxRuntime:
    """An ONNX model of PALM. One object serves several threads.

    Args:
        model: The file, or the content of a file.
        threads: Threads of one pass; by default `OMP_NUM_THREADS`, else as many as cores.
        precision: That of its weights: `float32` or `int8`.

    Raises:
        ConfigError: onnxruntime is not installed.
        CheckpointError: It is not an ONNX model of PALM.
    """

    name = "onnx"

    def __init__(self, model: Path | bytes, *, threads: int | None = None, precision: str = "float32") -> None:
        runtime = onnxruntime_package()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or named_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; a model with int8 weights has warnings of no use
        given = str(model) if isinstance(model, Path) else model
        try:
            self._session = runtime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no class of errors of its own that is public
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            where = model if isinstance(model, Path) else "The graph"
            raise CheckpointError(f"{where}: ONNX Runtime cannot load it: {reason}. Export the model again.") from error
        self._run_options = runtime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True
        self._run_options.log_severity_level = 3
        self._precision = precision
        self.inputs = {each.name: (_TYPES[each.type], len(each.shape)) for each in self._session.get_inputs()}
        """Type and number of axes of each input."""
        self._outputs = {each.name for each in self._session.get_outputs()}
        self.tasks = _tasks_of(self._session.get_modelmeta().custom_metadata_map)
        """Names of its tasks."""

    @classmethod
    def of_model(cls, folder: Path, tasks: Sequence[str] | None = None, *, threads: int | None = None) -> "OnnxRuntime":
        """The runtime of a model that PALM has trained, whose graph is written in memory.

        Args:
            folder: The model of a task or of a run.
            tasks: The tasks; all of them by default.
            threads: Threads of one pass.

        Raises:
            CheckpointError: The folder is missing, damaged or of another format.
            ConfigError: A package is not installed, there is no such task, or a component has no writer.
        """
        graph = build_graph(folder, tasks)
        if fits_one_file(graph):
            return cls(graph.SerializeToString(), threads=threads)
        import tempfile  # noqa: PLC0415 (rarely needed)

        with tempfile.TemporaryDirectory(prefix="palm-onnx-") as temporary:
            return cls(save_graph(graph, Path(temporary) / "model.onnx")[0], threads=threads)

    def outputs(self, tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[Outputs]:
        """The outputs of each task's head for one batch; only what these heads need is computed.

        In phase `eval` outputs are those from which predictions are decoded: there is no loss.
        """
        names = [output_name(task.name, name) for task in tasks for name in task.paradigm.outputs_attr("predict")]
        missing = [name for name in names if name not in self._outputs]
        if missing:
            rule = f"the graph has the tasks {', '.join(self.tasks)}."
            raise ConfigError(Problem("tasks", f"{rule} Found no output `{missing[0]}`. Export the model again."))
        wanted = list(dict.fromkeys(names))
        arrays = dict(zip(wanted, self._session.run(wanted, self._fed(batch), self._run_options), strict=True))
        return [_outputs_of(task, arrays, batch, phase) for task in tasks]

    def precision(self, task: str) -> str:
        """The precision of predictions in words."""
        return f"predicts in {self._precision} with ONNX Runtime"

    def _fed(self, batch: Batch) -> dict[str, np.ndarray]:
        """The graph's inputs; what other heads read gets a zero, as it has no part in the outputs."""
        return {
            name: np.ascontiguousarray(batch[name], dtype) if name in batch else np.zeros((1,) * rank, dtype)
            for name, (dtype, rank) in self.inputs.items()
        }


def _outputs_of(task: TaskInstance, arrays: Mapping[str, np.ndarray], batch: Batch, phase: Phase) -> Outputs:
    found = {name: arrays[output_name(task.name, name)] for name in task.paradigm.outputs_attr("predict")}
    return task.paradigm.outputs_with_gold(found, batch) if phase == "eval" else found


def _tasks_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    try:
        names = json.loads(metadata.get(TASKS_KEY, "[]"))
    except ValueError:
        names = []
    return tuple(map(str, names)) if isinstance(names, list) else ()
