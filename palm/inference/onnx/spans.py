"""The head of `spans`: what `palm.paradigm.span_scorers` computes."""

from typing import cast

from palm.inference.onnx.heads import HeadOutputs
from palm.inference.onnx.operations import MASKED, input_mask, linear, missing, places
from palm.inference.onnx.writers import HEAD_WRITERS, HeadInputs, HeadOutput
from palm.paradigm.span_relations import FEATURES, TYPES, WEIGHTS
from palm.paradigm.span_scorers import SpanScorerFields, rotation_rates
from palm.paradigm.spans import NestedSpans

_FLOAT = 1  # TensorProto.FLOAT


@HEAD_WRITERS.register(NestedSpans)
def span_scores(head: HeadInputs) -> HeadOutputs:
    """The score of every span for each type; far below all others where there is no span."""
    graph, config = head.graph, cast("SpanScorerFields", head.paradigm.config)
    if config.span_scorer == "global_pointer":
        types, scores = head.width("edges.weight") // 2, _pointer(head, config.span_head_size)
    else:
        types, scores = head.width("end_edges.weight") - 1, _biaffine(head, config.span_head_size)
    mask = input_mask(graph)
    first, last = (graph.op("Unsqueeze", mask, graph.ints([axis])) for axis in (2, 1))
    pairs = graph.op("Trilu", graph.op("Mul", first, last), upper=1)  # [batch seq seq]
    outside = graph.op("Unsqueeze", missing(graph, pairs, MASKED), graph.ints([1]))
    logits = HeadOutput(graph.op("Add", scores, outside), ("batch", types, "seq", "seq"))
    labels = head.paradigm.labels
    return {"span_logits": logits, **(_related(head) if labels and labels.relations else {})}


def _related(head: HeadInputs) -> HeadOutputs:
    """What pairs of spans are scored from, outside of the graph: the features of tokens, and two weights."""
    graph = head.graph
    features = linear(graph, head.encoded, head.name(FEATURES), bias=False)
    found = {FEATURES: HeadOutput(features, ("batch", "seq", head.width(f"{FEATURES}.weight")))}
    for name in (TYPES, WEIGHTS):
        weight = head.name(f"{name}.weight")
        found[name] = HeadOutput(graph.weight(weight), graph.array(weight).shape)
    return found


def _pointer(head: HeadInputs, size: int) -> str:
    """Efficient global pointer: [batch type seq seq]."""
    graph = head.graph
    both = linear(graph, head.encoded, head.name("pointer"))  # [batch seq 2*size]
    query, key = graph.outputs_of("Split", 2, both, graph.ints([size, size]), axis=-1)
    turned = graph.op("Transpose", _rotated(head, key, size), perm=(0, 2, 1))
    scaled = graph.op("Div", _rotated(head, query, size), graph.floats(size**0.5))
    scores = graph.op("Unsqueeze", graph.op("MatMul", scaled, turned), graph.ints([1]))  # [batch 1 seq seq]
    edges = graph.op("Mul", linear(graph, both, head.name("edges")), graph.floats(0.5))
    types = head.width("edges.weight") // 2
    starts, ends = graph.outputs_of("Split", 2, edges, graph.ints([types, types]), axis=-1)
    return _with_edges(head, scores, starts, ends)


def _rotated(head: HeadInputs, values: str, size: int) -> str:
    """Each pair of numbers turned by the angle of its token: [batch seq size]."""
    graph = head.graph
    position = graph.op("Unsqueeze", graph.op("Cast", places(graph), to=_FLOAT), graph.ints([1]))  # [seq 1]
    angles = graph.op("Mul", position, graph.floats(rotation_rates(size).tolist()))  # [seq size]
    halves = graph.outputs_of("Split", 2, values, graph.ints([size // 2] * 2), axis=-1)
    turned = graph.op("Concat", graph.op("Neg", halves[1]), halves[0], axis=-1)
    along = graph.op("Mul", values, graph.op("Cos", angles))
    return graph.op("Add", along, graph.op("Mul", turned, graph.op("Sin", angles)))


def _biaffine(head: HeadInputs, size: int) -> str:
    """A biaffine classifier, each type against none: [batch type seq seq]."""
    graph, classes = head.graph, head.width("end_edges.weight")
    start, end = (graph.op("Relu", linear(graph, head.encoded, head.name(side))) for side in ("start", "end"))
    mapped = linear(graph, start, head.name("bilinear"), bias=False)
    by_class = graph.op("Reshape", mapped, graph.ints([0, 0, classes, size]))
    moved = graph.op("Transpose", by_class, perm=(0, 2, 1, 3))  # [batch class seq size]
    keys = graph.op("Unsqueeze", graph.op("Transpose", end, perm=(0, 2, 1)), graph.ints([1]))  # [batch 1 size seq]
    starts = linear(graph, start, head.name("start_edges"), bias=False)
    ends = linear(graph, end, head.name("end_edges"))
    scores = _with_edges(head, graph.op("MatMul", moved, keys), starts, ends)  # [batch class seq seq]
    none, types = graph.outputs_of("Split", 2, scores, graph.ints([1, classes - 1]), axis=1)
    return graph.op("Sub", types, none)


def _with_edges(head: HeadInputs, scores: str, starts: str, ends: str) -> str:
    """Scores plus those of first and last tokens, [batch seq class] each: [batch class seq seq]."""
    graph = head.graph
    first, last = (graph.op("Transpose", edges, perm=(0, 2, 1)) for edges in (starts, ends))  # [batch class seq]
    with_first = graph.op("Add", scores, graph.op("Unsqueeze", first, graph.ints([3])))
    return graph.op("Add", with_first, graph.op("Unsqueeze", last, graph.ints([2])))
