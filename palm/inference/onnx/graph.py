"""An ONNX graph while it is written: nodes, constants and inputs, each once, however often it is asked for.

Equal operations on equal values are one node. So each task writes the encoder that its head sees, and what tasks
share, such as the whole encoder or its lowest layers, is in the graph once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Weights, or whole numbers."""
Attribute = int | float | str | tuple[int, ...]
Axes = tuple[str | int, ...]
"""The length of each axis, or a name where it differs from batch to batch; axes of one name are of one length."""


@dataclass(frozen=True)
class Node:
    """An operation of ONNX's standard.

    Attributes:
        kind: Its name: `MatMul`.
        inputs: Names of values.
        outputs: Names of values.
        attributes: By name, in order of the names.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[tuple[str, Attribute], ...]


@dataclass(frozen=True)
class ValueType:
    """Element type, as numpy spells it, and axes of an input or output of the graph."""

    dtype: str
    axes: Axes


class Graph:
    """Values are known by their names, which all methods here take and give.

    Args:
        weights: The model's weights by name.

    Attributes:
        nodes: In the order of the computation.
        constants: Weights, and what was computed from them while writing.
        inputs: What a batch has to give.
        read_weights: Names of the weights that were asked for.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.inputs: dict[str, ValueType] = {}
        self.read_weights: set[str] = set()
        self._weights = weights
        self._known: dict[object, tuple[str, ...]] = {}
        self._small: dict[object, str] = {}

    def op(self, kind: str, *inputs: str, **attributes: Attribute) -> str:
        """The output of an operation that has one."""
        return self.outputs_of(kind, 1, *inputs, **attributes)[0]

    def outputs_of(self, kind: str, count: int, *inputs: str, **attributes: Attribute) -> tuple[str, ...]:
        """The first `count` outputs of an operation."""
        settings = tuple(sorted(attributes.items()))
        key = kind, count, inputs, settings
        if key not in self._known:
            place = len(self.nodes)
            names = tuple(f"{kind}_{place}" if count == 1 else f"{kind}_{place}_{number}" for number in range(count))
            self.nodes.append(Node(kind, inputs, names, settings))
            self._known[key] = names
        return self._known[key]

    def array(self, name: str) -> Array:
        """The numbers of a weight, for `derived`.

        Raises:
            KeyError: The model has no such weight.
        """
        self.read_weights.add(name)
        return self._weights[name]

    def weight(self, name: str) -> str:
        """The weight `name` of the model."""
        return self.derived(name, lambda: self.array(name))

    def derived(self, name: str, compute: Callable[[], Array]) -> str:
        """A constant that is computed from weights while the graph is written, once for each `name`."""
        if name not in self.constants:
            self.constants[name] = np.array(compute(), order="C")
        return name

    def floats(self, values: float | Sequence[float]) -> str:
        """A constant float32, a scalar or of one axis."""
        return self._constant(np.array(values, "float32"))

    def ints(self, values: int | Sequence[int]) -> str:
        """A constant int64, a scalar or of one axis."""
        # Not `ascontiguousarray`, which gives a scalar one axis: Gather would then keep an axis that it should drop.
        return self._constant(np.array(values, "int64"))

    def input(self, name: str, dtype: str, axes: Axes) -> str:
        """An input of the graph, under PALM's name of the field of a batch.

        Raises:
            ValueError: It was asked for in another form.
        """
        asked = ValueType(dtype, axes)
        if self.inputs.setdefault(name, asked) != asked:
            raise ValueError(f"the input {name} is {self.inputs[name]}, and cannot be {asked} as well")
        return name

    def _constant(self, values: Array) -> str:
        key = str(values.dtype), values.shape, values.tobytes()
        if key not in self._small:
            self._small[key] = self.derived(f"constant_{len(self._small)}", lambda: values)
        return self._small[key]
