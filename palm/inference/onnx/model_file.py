"""A written graph as an ONNX model, in memory and as a file; the same graph gives the same bytes."""

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from palm.errors import ConfigError, Problem
from palm.inference.onnx.assembly import WrittenGraph
from palm.inference.onnx.graph import ValueType
from palm.storage.layout import PALM_VERSION

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR_VERSION = 17, 8
"""The first opset with LayerNormalization, and the version of the format that goes with it."""
_INSTALL = 'pip install "paddle-palm[onnx]"'


def onnx_package() -> ModuleType:
    """The package `onnx`.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import onnx  # noqa: PLC0415 (an extra)
    except ImportError as error:
        rule = "an ONNX graph is written with the package onnx."
        raise ConfigError(Problem("onnx", f"{rule} Found none ({error}). Install it: {_INSTALL}")) from None
    return onnx


def to_model(graph: WrittenGraph, metadata: Mapping[str, str]) -> "ModelProto":
    """The graph as a model that onnx's checker accepts.

    Args:
        graph: The graph.
        metadata: What the model says of itself, by key.

    Raises:
        ConfigError: onnx is not installed.
    """
    onnx = onnx_package()
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node(node.kind, list(node.inputs), list(node.outputs), **{
            name: list(value) if isinstance(value, tuple) else value for name, value in node.attributes
        })
        for node in graph.nodes
    ]  # fmt: skip
    body = helper.make_graph(
        nodes,
        "palm",
        [_value(onnx, name, kind) for name, kind in graph.inputs.items()],
        [_value(onnx, name, kind) for name, kind in graph.outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
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


def _value(onnx: ModuleType, name: str, kind: ValueType) -> object:
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind.dtype))
    return onnx.helper.make_tensor_value_info(name, element, list(kind.axes))
