"""A graph while it is written: what is asked for twice is there once."""

import numpy as np
import pytest

from palm.inference.onnx.graph import Graph, Node, ValueType

WEIGHTS = {"a": np.ones((2, 3), "float32"), "b": np.zeros((2, 3), "float32")}


def test_equal_operations_on_equal_values_are_one_node() -> None:
    graph = Graph(WEIGHTS)
    first = graph.op("Add", graph.weight("a"), graph.weight("b"))

    assert graph.op("Add", graph.weight("a"), graph.weight("b")) == first
    assert graph.op("Add", graph.weight("b"), graph.weight("a")) != first
    assert graph.op("Softmax", first, axis=0) != graph.op("Softmax", first, axis=1)
    assert [node.kind for node in graph.nodes] == ["Add", "Add", "Softmax", "Softmax"]
    assert graph.nodes[0] == Node("Add", ("a", "b"), (first,), ())


def test_an_operation_with_several_outputs() -> None:
    graph = Graph(WEIGHTS)
    halves = graph.outputs_of("Split", 2, graph.weight("a"), axis=0)

    assert len(set(halves)) == 2
    assert graph.outputs_of("Split", 2, graph.weight("a"), axis=0) == halves
    assert graph.nodes[0].outputs == halves


def test_a_constant_is_computed_once() -> None:
    graph, calls = Graph(WEIGHTS), []

    def twice() -> np.ndarray:
        calls.append(1)
        return graph.array("a") * 2

    assert graph.derived("double", twice) == graph.derived("double", twice) == "double"
    assert calls == [1]
    assert graph.constants["double"][0, 0] == 2
    assert graph.read_weights == {"a"}


def test_small_constants_keep_their_shape() -> None:
    """A scalar with an axis would keep an axis behind Gather."""
    graph = Graph({})
    names = [graph.ints(1), graph.ints([1]), graph.floats(1.0), graph.floats([1.0])]

    assert len(set(names)) == 4
    assert [graph.constants[name].shape for name in names] == [(), (1,), (), (1,)]
    assert [str(graph.constants[name].dtype) for name in names] == ["int64", "int64", "float32", "float32"]
    assert graph.ints([1]) == names[1]


def test_an_input_has_one_form() -> None:
    graph = Graph({})
    assert graph.input("token_ids", "int64", ("batch", "seq")) == "token_ids"
    graph.input("token_ids", "int64", ("batch", "seq"))

    assert graph.inputs == {"token_ids": ValueType("int64", ("batch", "seq"))}
    with pytest.raises(ValueError, match=r"the input token_ids is .*int64.*, and cannot be .*float32"):
        graph.input("token_ids", "float32", ("batch", "seq"))


def test_a_weight_that_is_not_there() -> None:
    with pytest.raises(KeyError, match=r"heads\.c"):
        Graph(WEIGHTS).weight("heads.c")
