"""The learned vectors of prompts, which are constants of a graph: `palm.backbone.soft_prompt` in numpy."""

import numpy as np

from palm.data.prompt_form import PromptEncoder, PromptForm
from palm.inference.onnx.graph import Array, Graph
from palm.inference.onnx.operations import Floats


def soft_table(graph: Graph, name: str, form: PromptForm) -> str:
    """The soft vectors by their number, behind their encoders: float32[1+vector emb]; number 0 is none.

    Args:
        graph: The graph.
        name: Name of the task's `SoftPrompt`.
        form: What is known of the prompt.
    """

    def compute() -> Array:
        vectors = graph.array(f"{name}.vectors")
        table = np.zeros((1 + len(vectors), vectors.shape[1]), "float32")
        number = 0
        for group in form.soft_groups:
            rows = np.array(group.vectors)
            table[rows] = vectors[rows - 1]
            if group.encoder != "none":
                table[rows] = encoded(graph, f"{name}.encoders.{number}", group.encoder, vectors[rows - 1])
                number += 1
        return table

    return graph.derived(f"{name}.table", compute)


def prefix_vectors(graph: Graph, name: str, form: PromptForm, depth: int) -> Floats:
    """The keys and values before those of each layer: float32[layer 2 prefix hidden]."""
    vectors = graph.array(f"{name}.vectors")
    if form.prefix_encoder != "none":
        vectors = encoded(graph, f"{name}.encoder", form.prefix_encoder, vectors)
    found: Floats = vectors.reshape(form.prefix_length, depth, 2, -1).transpose(1, 2, 0, 3)
    return np.ascontiguousarray(found, "float32")


def encoded(graph: Graph, name: str, kind: PromptEncoder, vectors: Array) -> Array:
    """What vectors become in a `VectorEncoder`: [vector size] → [vector width]."""

    def weight(parameter: str) -> Array:
        return graph.array(f"{name}.{parameter}").astype("float64")

    values = vectors.astype("float64")
    for layer in (0, 1) if kind == "lstm" else ():
        ways = [
            _direction([weight(f"lstm.{part}_l{layer}{suffix}") for part in _LSTM], values[::step])[::step]
            for suffix, step in (("", 1), ("_reverse", -1))
        ]
        values = np.concatenate(ways, axis=1)
    inner = np.maximum(values @ weight("inner.weight") + weight("inner.bias"), 0.0)
    outer: Array = (inner @ weight("outer.weight") + weight("outer.bias")).astype("float32")
    return outer


_LSTM = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _direction(parameters: list[Array], values: Array) -> Array:
    """One direction of a layer of an LSTM, whose gates are input, forget, cell and output: [step size] → [step hidden].

    Source: https://www.paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/LSTM_en.html
    """
    of_inputs, of_hidden, first_bias, second_bias = parameters
    hidden = cell = np.zeros(of_hidden.shape[1])
    found = []
    for value in values:
        gates = of_inputs @ value + first_bias + of_hidden @ hidden + second_bias
        into, forget, new, out = np.split(gates, 4)
        cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(new)
        hidden = _sigmoid(out) * np.tanh(cell)
        found.append(hidden)
    return np.stack(found)


def _sigmoid(values: Array) -> Array:
    probabilities: Array = 0.5 * (1.0 + np.tanh(0.5 * values))
    return probabilities
