"""A task's own parts of the encoder: adapters, LoRA, bottlenecks, layers of its own, a mix of layers."""

from collections.abc import Callable, Iterator

import numpy as np

from palm.data.prompt_form import PromptForm
from palm.inference.onnx.graph import Graph
from palm.inference.onnx.operations import AddedWeights, Floats, activation, linear
from palm.inference.onnx.soft_prompts import prefix_vectors, soft_table
from palm.inference.onnx.writers import EncoderWriter
from palm.schema.fields import ParadigmFields

PARTS = "task_adapters"
"""What the parameters of a task's own parts are called under its head."""
_MIX = "scalar_mix"


def encoded_for(
    encoder: EncoderWriter, head: str, config: ParadigmFields, layer: int, prompt: PromptForm | None = None
) -> str:
    """The hidden states that feed a head: [batch seq hidden].

    Args:
        encoder: Writes what all tasks share.
        head: Key of the head's parameters.
        config: Its keys, which say what parts of its own it has.
        layer: The layer that feeds it, unless it mixes several.
        prompt: What is known of the template of the task's reader, if it has one.
    """
    if prompt is not None and prompt.soft_starts:
        table = soft_table(encoder.graph, f"heads.{head}.soft_prompt", prompt)
        encoder = encoder.with_soft_words(table, len(prompt.soft_starts))
    mixed = config.mixed_layers(encoder.depth)
    last = mixed[-1] if mixed else layer % encoder.depth
    name = f"heads.{head}.{PARTS}"
    if prompt is not None and prompt.prefix_length:
        outputs = list(_prefixed(encoder, name, prompt, last + 1))
    else:
        outputs = list(_WRITERS[config.sharing](encoder, name, config, last + 1))
    return _mix(encoder.graph, head, [outputs[number] for number in mixed]) if mixed else outputs[-1]


def _mix(graph: Graph, head: str, outputs: list[str]) -> str:
    """`palm.backbone.scalar_mix`, whose weights are constants here."""
    weight, scale = (graph.array(f"heads.{head}.{_MIX}.{name}").astype("float64") for name in ("weight", "scale"))
    exponents = np.exp(weight - weight.max())
    factors = exponents / exponents.sum() * scale
    total = None
    for output, factor in zip(outputs, factors, strict=True):
        term = graph.op("Mul", output, graph.floats(factor))
        total = term if total is None else graph.op("Add", total, term)
    return total or outputs[-1]


def _layers(encoder: EncoderWriter, name: str, config: ParadigmFields, count: int) -> Iterator[str]:
    """No parts: the hidden states after each of the lowest `count` layers, as all of these functions yield."""
    del name, config
    _, hidden = encoder.embedded()
    for number in range(count):
        hidden = encoder.layer(number, hidden, encoder.shared(number))
        yield hidden


def _prefixed(encoder: EncoderWriter, name: str, prompt: PromptForm, count: int) -> Iterator[str]:
    """Keys and values of a prompt before those of each layer."""
    _, hidden = encoder.embedded()
    by_layer = prefix_vectors(encoder.graph, name, prompt, encoder.depth)  # [layer 2 prefix hidden]
    for number in range(count):
        added = AddedWeights(f"{name}.{number}", prefix=by_layer[number])
        hidden = encoder.layer(number, hidden, encoder.shared(number), added)
        yield hidden


def _adapters(encoder: EncoderWriter, name: str, config: ParadigmFields, count: int) -> Iterator[str]:
    del config
    _, hidden = encoder.embedded()
    for number in range(count):
        shared = encoder.layer(number, hidden, encoder.shared(number))
        hidden = encoder.graph.op("Add", shared, _bottleneck(encoder.graph, shared, f"{name}.{number}.bottleneck"))
        yield hidden


def _low_rank(encoder: EncoderWriter, name: str, config: ParadigmFields, count: int) -> Iterator[str]:
    """LoRA, whose products are added to the weights while writing: as fast as without."""
    del config
    graph, (_, hidden) = encoder.graph, encoder.embedded()

    def product(owner: str, part: str) -> Floats:
        down, up = (graph.array(f"{owner}.{part}_{way}.weight").astype("float32") for way in ("down", "up"))
        found: Floats = down @ up
        return found

    for number in range(count):
        owner = f"{name}.{number}"
        added = AddedWeights(owner, {"query": product(owner, "query"), "value": product(owner, "value")})
        hidden = encoder.layer(number, hidden, encoder.shared(number), added)
        yield hidden


def _private(encoder: EncoderWriter, name: str, config: ParadigmFields, count: int) -> Iterator[str]:
    del config
    graph, (_, hidden) = encoder.graph, encoder.embedded()
    for number in range(count):
        gate = graph.op("Sigmoid", linear(graph, hidden, f"{name}.{number}.gate"))  # [batch seq 1]
        own = graph.op("Mul", gate, _bottleneck(graph, hidden, f"{name}.{number}.bottleneck"))
        hidden = graph.op("Add", encoder.layer(number, hidden, encoder.shared(number)), own)
        yield hidden


def _private_stack(encoder: EncoderWriter, name: str, config: ParadigmFields, count: int) -> Iterator[str]:
    graph, first = encoder.graph, encoder.depth - config.copied_layers(encoder.depth)
    _, hidden = encoder.embedded()
    private = hidden
    for number in range(count):
        hidden = encoder.layer(number, hidden, encoder.shared(number))
        if number < first:
            private = hidden
            yield hidden
            continue
        private = encoder.layer(number, private, f"{name}.layers.{number}")
        gate = graph.op("Sigmoid", linear(graph, hidden, f"{name}.gate"))  # [batch seq 1]
        yield graph.op("Add", hidden, graph.op("Mul", gate, graph.op("Sub", private, hidden)))


def _own_layers(encoder: EncoderWriter, name: str, config: ParadigmFields, count: int) -> Iterator[str]:
    first = encoder.depth - config.copied_layers(encoder.depth)
    _, hidden = encoder.embedded()
    for number in range(count):
        own = f"{name}.encoder_layers.{number}"
        hidden = encoder.layer(number, hidden, encoder.shared(number) if number < first else own)
        yield hidden


def _bottleneck(graph: Graph, hidden: str, name: str) -> str:
    inner = activation(graph, linear(graph, hidden, f"{name}.down"), "gelu")
    return linear(graph, inner, f"{name}.up")


_WRITERS: dict[str, Callable[[EncoderWriter, str, ParadigmFields, int], Iterator[str]]] = {
    "hard": _layers,
    "adapter": _adapters,
    "lora": _low_rank,
    "private": _private,
    "private_layers": _private_stack,
    "soft": _own_layers,
}
