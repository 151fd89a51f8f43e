"""The graph of a model: its encoder once, and the heads of all tasks or some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from palm.backbone.base import BACKBONES, Backbone
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.inference.exported import refuse_unwritable
from palm.inference.onnx.graph import Array, Graph, Node, ValueType
from palm.inference.onnx.parts import PARTS, encoded_for
from palm.inference.onnx.writers import ENCODER_WRITERS, HEAD_WRITERS, BatchFacts, EncoderWriter, HeadInputs
from palm.paradigm.base import PARADIGMS
from palm.registry import Registry
from palm.spec import as_spec

_BUILT_IN_READERS = "palm.reader"


@dataclass(frozen=True)
class WrittenGraph:
    """A finished graph.

    Attributes:
        nodes: In the order of the computation.
        constants: By name.
        inputs: By PALM's name of the field of a batch.
        outputs: By `<task>.<output>`.
        constant_outputs: Those that are the same for every batch, such as a CRF's transitions, and their constants.
    """

    nodes: Sequence[Node]
    constants: Mapping[str, Array]
    inputs: Mapping[str, ValueType]
    outputs: Mapping[str, ValueType]
    constant_outputs: Mapping[str, str]


def write_graph(backbone: Backbone, tasks: Sequence[TaskInstance], weights: Mapping[str, Array]) -> WrittenGraph:
    """Write the encoder and the heads of `tasks`.

    Args:
        backbone: The encoder.
        tasks: The tasks.
        weights: `backbone.*` and `heads.<head>.*`.

    Raises:
        ConfigError: A component has no writer, or a head has parameters that its writer does not read.
    """
    refuse_unwritable(tasks)
    graph = Graph(weights)
    first = tasks[0].name
    encoder = ENCODER_WRITERS.of(type(backbone), _name_of(backbone, BACKBONES), first)(graph, backbone, _facts(tasks))
    outputs = {name: output for task in tasks for name, output in _write_task(graph, encoder, task).items()}
    _refuse_unread(graph, tasks, weights)
    return _needed(graph, outputs)


def _facts(tasks: Sequence[TaskInstance]) -> BatchFacts:
    # A user's own reader may give other positions, tasks and segments than `palm.data.sequences.pad_inputs`.
    readers = [task.reader for task in tasks]
    built_in = all(type(reader).__module__.startswith(f"{_BUILT_IN_READERS}.") for reader in readers)
    counts = built_in and all(reader.counts_positions for reader in readers)
    return BatchFacts(counts, built_in and all(reader.segments == 1 for reader in readers))


def _write_task(graph: Graph, encoder: EncoderWriter, task: TaskInstance) -> dict[str, tuple[str, ValueType]]:
    """The value and the type of each output, by its name in the graph."""
    paradigm = task.paradigm
    write = HEAD_WRITERS.of(type(paradigm), _name_of(paradigm, PARADIGMS), task.name)
    encoded = encoded_for(encoder, task.head, paradigm.config, task.settings.layer, paradigm.prompt)
    outputs = write(HeadInputs(graph, encoder, encoded, task.head, paradigm))
    declared = paradigm.outputs_attr("predict")
    if outputs.keys() != declared.keys():
        raise ValueError(f"{type(paradigm).__name__} declares {sorted(declared)}, its writer gives {sorted(outputs)}")
    return {
        output_name(task.name, name): (output.value, ValueType(as_spec(declared[name]).dtype, output.axes))
        for name, output in outputs.items()
    }


def output_name(task: str, output: str) -> str:
    """The name in the graph of a task's output."""
    return f"{task}.{output}"


def _refuse_unread(graph: Graph, tasks: Sequence[TaskInstance], weights: Mapping[str, Array]) -> None:
    """Refuse a head with parameters that were not written: it computes something else than its writer knows.

    Parts around the encoder may be left out, since the layers above the one that feeds the head are not written.
    """
    for task in tasks:
        prefix = f"heads.{task.head}."
        form = task.paradigm.prompt
        none = task.paradigm.config.sharing == "hard" and (form is None or not form.prefix_length)
        parts = () if none else (f"{prefix}{PARTS}.",)
        own = {name for name in weights if name.startswith(prefix) and not name.startswith(parts)}
        read = own & graph.read_weights
        known = [weights[name] for name in read]
        unread = [name for name in sorted(own - read) if not _is_alias(weights[name], known)]
        if unread:
            rule = "every parameter of a head is a part of the graph."
            advice = "Write a writer for it as docs/extending.md says, or leave the task out."
            raise ConfigError(Problem(f"tasks.{task.name}", f"{rule} Found `{unread[0]}`, which is none. {advice}"))


def _is_alias(weight: Array, others: Sequence[Array]) -> bool:
    """Whether a parameter is another one under a second name, as Paddle's LSTM has them."""
    return any(np.array_equal(weight, other) for other in others)


def _needed(graph: Graph, outputs: Mapping[str, tuple[str, ValueType]]) -> WrittenGraph:
    """What the outputs are computed from, and nothing else."""
    values = {value for value, _ in outputs.values()}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if values.intersection(node.outputs):
            values.update(node.inputs)
            nodes.append(node)
    named = [Node("Identity", (value,), (name,), ()) for name, (value, _) in outputs.items()]
    return WrittenGraph(
        [*reversed(nodes), *named],
        {name: array for name, array in graph.constants.items() if name in values},
        {name: kind for name, kind in graph.inputs.items() if name in values},
        {name: kind for name, (_, kind) in outputs.items()},
        {name: value for name, (value, _) in outputs.items() if value in graph.constants},
    )


def _name_of(component: object, registry: Registry[type[Any]]) -> str:
    return next((name for name in registry if registry[name] is type(component)), type(component).__name__)
