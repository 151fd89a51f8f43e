"""Paddle's static format: encoder and heads as one program, which paddle.inference and Paddle Serving run.

The program holds operations of Paddle alone: PALM's own kernels in C are no part of it.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import paddle
from paddle import Tensor, nn

from palm.backbone.embeddings import SOFT_IDS
from palm.data.dataset import Batch
from palm.engine.model import MultiTaskModel
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError
from palm.inference.onnx.assembly import output_name
from palm.paradigm.base import Outputs
from palm.spec import Phase, Spec, Specs, as_spec

PARAMETERS = ".pdiparams"
_TYPES = {"int64": paddle.int64, "float32": paddle.float32}
_MASKS = "mask_positions"


@final
class Program(nn.Layer):
    """The model as a function of named inputs, which gives the outputs of every task in a list.

    Args:
        model: Encoder and heads, computed by Paddle's own operations (`kernels: plain`).
        tasks: The tasks.
    """

    def __init__(self, model: MultiTaskModel, tasks: Sequence[TaskInstance]) -> None:
        super().__init__()
        self.model = model
        self._tasks = list(tasks)
        names = [each for task in self._tasks for each in task.paradigm.outputs_attr("predict")]
        self._zeros = [f"zero_{number}" for number in range(len(names))]
        for name in self._zeros:
            self.register_buffer(name, paddle.zeros([1]))

    def forward(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs of all tasks; the encoder is computed once for all that can share it."""
        found: list[Tensor] = []
        passes: dict[Any, dict[str, Tensor]] = {}
        for task in self._tasks:
            modules = self.model.task_modules(task.head)
            key = (task.settings.layer, task.head if self.model.has_own_pass(task.head) else None)
            given = fitted(task, inputs)
            if key not in passes:
                taken = self.model.encoder_inputs(given, task.head)
                passes[key] = self.model.backbone(taken, layer=task.settings.layer, **modules)
            outputs = task.paradigm.forward(self.model.heads[task.head], {**given, **passes[key]}, "predict")
            found += [outputs[name] for name in task.paradigm.outputs_attr("predict")]
        return [self._distinct(tensor, self._zeros[number]) for number, tensor in enumerate(found)]

    def _distinct(self, output: Tensor, zero: str) -> Tensor:
        """The same numbers as a variable of their own.

        Paddle computes equal expressions once, such as the means that two tasks have of the same encoder, and then does
        not find the second output.
        """
        return output + getattr(self, zero) if output.dtype == paddle.float32 else output


def fitted(task: TaskInstance, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs with as many masks and soft vectors as the prompt of `task` has, whichever task they are from.

    A program computes all heads for the batch of any task, which may have other numbers of them, or a single 0.
    """
    form, found = task.paradigm.prompt, dict(inputs)
    if form is not None and _MASKS in task.paradigm.reader_inputs("predict"):
        given = inputs[_MASKS]
        enough = paddle.concat([given, *[given[:, -1:]] * (form.masks - 1)], axis=1)[:, : form.masks]
        found[_MASKS] = enough + paddle.zeros_like(inputs["token_ids"][:, :1])  # [batch mask]
    if form is not None and form.soft_starts:
        found[SOFT_IDS] = paddle.clip(inputs[SOFT_IDS], max=len(form.soft_starts))
    return found


def inputs_of(model: MultiTaskModel, tasks: Sequence[TaskInstance]) -> Specs:
    """The inputs of a program: what the encoder and the heads read of a batch."""
    found: dict[str, Spec] = {}
    for task in tasks:
        offered = task.reader.outputs_attr("predict")
        for name in (*model.backbone_inputs, *task.paradigm.reader_inputs("predict")):
            found.setdefault(name, as_spec(offered[name]))
    return found


def write_paddle(model: MultiTaskModel, tasks: Sequence[TaskInstance], folder: Path, *, name: str) -> tuple[str, ...]:
    """Write the program as `<name>.json` and `<name>.pdiparams`; return the names of its files, the program first.

    Args:
        model: Encoder and heads on the plain kernels.
        tasks: The tasks.
        folder: Where to.
        name: Name of the files.
    """
    program = Program(model, tasks)
    program.eval()
    specs = {
        each: paddle.static.InputSpec([None] * as_spec(spec).rank, _TYPES[as_spec(spec).dtype], each)
        for each, spec in inputs_of(model, tasks).items()
    }
    before = {file.name for file in folder.iterdir()}
    with warnings.catch_warnings(), _biased_norms(program), quiet_stderr():
        warnings.simplefilter("ignore")  # of Paddle's tracer, about itself
        inputs: Any = [specs]  # Paddle types dictionaries narrower than it takes them
        paddle.jit.save(paddle.jit.to_static(program, input_spec=inputs, full_graph=True), str(folder / name))
    written = sorted({file.name for file in folder.iterdir()} - before, key=lambda file: file.endswith(PARAMETERS))
    return tuple(written)


@contextlib.contextmanager
def _biased_norms(program: Program) -> Iterator[None]:
    """Biases of zero for normalisations that have none: paddle.inference computes those without otherwise wrongly."""
    found = [layer for layer in program.sublayers() if isinstance(layer, nn.LayerNorm) and layer.bias is None]
    for layer in found:
        if layer.weight is not None:
            layer.bias = layer.create_parameter(layer.weight.shape, is_bias=True)
    try:
        yield
    finally:
        for layer in found:
            layer.bias = None


class PaddleInference:
    """A program in paddle.inference. One object serves one thread.

    Args:
        folder: Where `write_paddle` has written it.
        files: What it returned.
        tasks: The tasks of the program, in their order.
        inputs: Its inputs.
        threads: Threads of the engine.

    Raises:
        CheckpointError: paddle.inference cannot load it.
    """

    name = "paddle.inference"

    def __init__(
        self, folder: Path, files: Sequence[str], tasks: Sequence[TaskInstance], inputs: Specs, *, threads: int = 1
    ) -> None:
        from paddle import inference  # noqa: PLC0415 (takes a while)

        program, parameters = (str(folder / name) for name in (files[0], files[-1]))
        config = inference.Config(program, parameters)
        config.set_cpu_math_library_num_threads(threads)
        config.disable_glog_info()
        with quiet_stderr():
            try:
                self._predictor = inference.create_predictor(config)
            except RuntimeError as error:
                raise CheckpointError(f"{program}: paddle.inference cannot load it: {str(error)[-300:]}") from error
        self._inputs = inputs
        self._names = [output_name(task.name, each) for task in tasks for each in task.paradigm.outputs_attr("predict")]

    def outputs(self, tasks: Sequence[TaskInstance], batch: Batch, phase: Phase) -> list[Outputs]:
        """The outputs of each task's head for one batch."""
        for name in self._predictor.get_input_names():
            spec = as_spec(self._inputs[name])
            array = batch.get(name, np.zeros((1,) * spec.rank))
            self._predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(array, spec.dtype))
        try:
            self._predictor.run()
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"paddle.inference cannot run the program: {str(error)[-300:]}") from error
        handles = map(self._predictor.get_output_handle, self._predictor.get_output_names())
        arrays = dict(zip(self._names, (handle.copy_to_cpu() for handle in handles), strict=True))
        del phase  # the program is that of prediction
        return [
            {name: arrays[output_name(task.name, name)] for name in task.paradigm.outputs_attr("predict")}
            for task in tasks
        ]

    def precision(self, task: str) -> str:
        """The precision of predictions in words."""
        del task
        return "predicts in float32 with paddle.inference"


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what Paddle's C++ code reports about its passes away from the terminal."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
