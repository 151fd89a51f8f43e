"""ONNX models of exported folders, in memory and as files; the same folder gives the same bytes."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from palm.errors import CheckpointError
from palm.inference.onnx.assembly import WrittenGraph, write_graph
from palm.inference.onnx.graph import Array, ValueType
from palm.inference.onnx.packages import onnx_package
from palm.inference.saved_tasks import backbone_of, check_weights, head_weights, load_tasks, weights_for
from palm.schema.saved_model import read_saved_run
from palm.storage.atomic_directory import os_errors_as, verify
from palm.storage.layout import CONFIG_FILE, PALM_VERSION, WEIGHTS_FILE

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR_VERSION = 17, 8
"""The first opset with LayerNormalization, and the version of the format that goes with it."""
LARGEST_FILE = 1_900_000_000
"""Bytes of weights up to which a model is a single file: those of ONNX end at two gigabytes."""
VERSION_KEY, TASKS_KEY, CONFIG_KEY, CONSTANTS_KEY = "palm.version", "palm.tasks", "palm.config", "palm.constants"
"""What a model says of itself: PALM's version; a JSON list of the tasks; config.json of the exported folder; a JSON
object of outputs that are the same for every batch, with the initializers that hold them."""


def build_graph(folder: Path, tasks: Sequence[str] | None = None) -> "ModelProto":
    """The model in `folder`, of a run or of one task, as an ONNX model.

    Inputs are fields of a batch under PALM's names, outputs are called `<task>.<output>`.

    Args:
        folder: An exported model.
        tasks: The tasks; all of them by default.

    Raises:
        CheckpointError: The folder is missing, damaged, of another format, or does not fit together.
        ConfigError: onnx is not installed, there is no such task, or a component has no writer.
    """
    onnx_package()
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no inference model here. Train first, or name the folder that training wrote."
        )
    verify(folder)
    saved = read_saved_run(folder)
    chosen = load_tasks(folder, saved, tasks)
    weights, backbone = weights_for(head_weights(folder, saved), saved, chosen), backbone_of(folder, saved)
    check_weights(folder, weights, backbone, chosen)
    _refuse_non_finite(folder / WEIGHTS_FILE, weights)
    try:
        graph = write_graph(backbone, chosen, weights)
    except KeyError as error:
        rule = "a model has the weights that its description asks for."
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE}: {rule} Found no {error}. Export it again, or use another copy."
        ) from error
    names = [task.name for task in chosen]
    return to_model(
        graph,
        {
            VERSION_KEY: PALM_VERSION,
            TASKS_KEY: json.dumps(names, ensure_ascii=False),
            CONFIG_KEY: (folder / CONFIG_FILE).read_text(encoding="utf-8"),
            CONSTANTS_KEY: json.dumps(dict(graph.constant_outputs), ensure_ascii=False),
        },
    )


def write_onnx(folder: Path, target: Path, tasks: Sequence[str] | None = None, *, key: str = "target") -> list[Path]:
    """Write the model in `folder` as the ONNX file `target`, complete or not at all, after onnx's own check.

    Weights of more than two gigabytes lie beside it, in `<target>.data`.

    Args:
        folder: An exported model.
        target: The file, which is replaced.
        tasks: The tasks; all of them by default.
        key: What sets `target`, for messages.

    Returns:
        The files, `target` first.

    Raises:
        CheckpointError: As `build_graph`, or `target` cannot be written.
        ConfigError: As `build_graph`.
    """
    return save_graph(build_graph(folder, tasks), target, key=key)


def save_graph(model: "ModelProto", target: Path, *, key: str = "target") -> list[Path]:
    """Write `model` as `write_onnx` does; one above two gigabytes loses its weights to their file.

    Raises:
        CheckpointError: `target` cannot be written.
    """
    with os_errors_as(target, key):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.writing-") as temporary:
            files = _save(model, Path(temporary) / target.name)
            for file in reversed(files):  # the weights first, so that the graph is never there without them
                os.replace(file, target.parent / file.name)
    return [target.parent / file.name for file in files]


def to_model(graph: WrittenGraph, metadata: Mapping[str, str]) -> "ModelProto":
    """The graph as a model that onnx's checker accepts.

    Args:
        graph: The graph.
        metadata: What the model says of itself, by key.

    Raises:
        ConfigError: onnx is not installed.
    """
    onnx = onnx_package()
    helper = onnx.helper
    body = helper.make_graph(
        [helper.make_node(node.kind, node.inputs, node.outputs, **dict(node.attributes)) for node in graph.nodes],
        "palm",
        [_value(onnx, name, kind) for name, kind in graph.inputs.items()],
        [_value(onnx, name, kind) for name, kind in graph.outputs.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="palm",
        producer_version=PALM_VERSION,
    )
    helper.set_model_props(model, dict(metadata))
    made: ModelProto = model
    return made


def fits_one_file(model: "ModelProto") -> bool:
    """Whether a model has a form in bytes: protobuf neither writes nor measures one above two gigabytes."""
    return sum(len(weight.raw_data) for weight in model.graph.initializer) <= LARGEST_FILE


def _value(onnx: ModuleType, name: str, kind: ValueType) -> object:
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind.dtype))
    return onnx.helper.make_tensor_value_info(name, element, list(kind.axes))


def _save(model: "ModelProto", file: Path) -> list[Path]:
    """Write and check a model; its files, that of the graph first."""
    onnx = onnx_package()
    if fits_one_file(model):
        onnx.checker.check_model(model)
        file.write_bytes(model.SerializeToString(deterministic=True))
        return [file]
    beside = file.with_name(f"{file.name}.data")
    onnx.external_data_helper.convert_model_to_external_data(model, location=beside.name)
    onnx.save_model(model, str(file))
    onnx.checker.check_model(str(file))
    return [file, beside]


def _refuse_non_finite(file: Path, weights: Mapping[str, Array]) -> None:
    name = next((name for name, weight in weights.items() if not np.isfinite(weight).all()), None)
    if name is not None:
        raise CheckpointError(f"{file}: weights are finite numbers. Found others in `{name}`. Export the model again.")
