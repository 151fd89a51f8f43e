"""The head of the paradigm `parse`: scores of arcs, and the best relation of each."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from palm.data.conllu_lines import is_root
from palm.inference.onnx.operations import linear, token_ids
from palm.inference.onnx.writers import HEAD_WRITERS, HeadInputs, HeadOutput
from palm.paradigm.biaffine import SLOPE
from palm.paradigm.parse import Parser, ParserFields
from palm.paradigm.trees import LEAST

_BOOL, _INT64 = 9, 7  # of TensorProto
_AXES = ("batch", "seq", "seq")


@HEAD_WRITERS.register(Parser)
def trees(head: HeadInputs) -> Mapping[str, HeadOutput]:
    """The score of each token as the head of each, and the best relation between them."""
    graph = head.graph
    candidates = _candidates(head)  # [batch 1 seq]
    words, heads, of_words, of_heads = (
        graph.op("LeakyRelu", linear(graph, head.encoded, head.name(name)), alpha=SLOPE)
        for name in ("arc_word", "arc_head", "relation_word", "relation_head")
    )
    turned = graph.op("Transpose", heads, perm=(0, 2, 1))
    arcs = graph.op("MatMul", linear(graph, words, head.name("arc_pair")), turned)  # [batch seq seq]
    allowed = graph.op("Where", graph.op("Cast", candidates, to=_BOOL), arcs, graph.floats(LEAST))
    relations = graph.op("ArgMax", _relation_scores(head, of_words, of_heads), axis=1, keepdims=0)  # [batch seq seq]
    chosen = graph.op("Mul", relations, graph.op("Cast", candidates, to=_INT64))
    return {"arc_logits": HeadOutput(allowed, _AXES), "relation_ids": HeadOutput(chosen, _AXES)}


def _candidates(head: HeadInputs) -> str:
    """1 for tokens that may be heads: those that begin a word, and [CLS]: float32[batch 1 seq].

    A batch of another task, for which this head is computed as well, has no word starts at all: they are 0 then.
    """
    graph = head.graph
    starts = head.field("word_starts", ("word_batch", "word_seq"))
    absent = graph.op("Sub", graph.op("Shape", token_ids(graph)), graph.op("Shape", starts))
    pads = graph.op("Concat", graph.ints([0, 0]), absent, axis=0)
    whole = graph.op("Pad", starts, pads)  # [batch seq]
    one, end = graph.ints([1]), graph.ints([2**62])
    first = graph.op("Slice", whole, graph.ints([0]), one, one)
    root = graph.op("Add", graph.op("Mul", first, graph.floats(0.0)), graph.floats(1.0))  # [batch 1]
    joined = graph.op("Concat", root, graph.op("Slice", whole, one, end, one), axis=1)
    return graph.op("Unsqueeze", joined, one)


def _relation_scores(head: HeadInputs, words: str, heads: str) -> str:
    """`palm.paradigm.biaffine.all_relation_scores`, with those of the root made impossible: [batch class seq seq]."""
    graph, classes = head.graph, head.classes("relation_bias.weight")
    size = cast("ParserFields", head.paradigm.config).relation_size
    pairs = linear(graph, words, head.name("relation_pair"))
    split = graph.op("Reshape", pairs, graph.ints([0, 0, classes, size]))
    by_class = graph.op("Transpose", split, perm=(0, 2, 1, 3))  # [batch class seq size]
    turned = graph.op("Unsqueeze", graph.op("Transpose", heads, perm=(0, 2, 1)), graph.ints([1]))  # [batch 1 size seq]
    biases = graph.op("Transpose", linear(graph, words, head.name("relation_bias")), perm=(0, 2, 1))
    scores = graph.op("Add", graph.op("MatMul", by_class, turned), graph.op("Unsqueeze", biases, graph.ints([3])))
    names = head.paradigm.labels.names if head.paradigm.labels is not None else ()
    if not any(map(is_root, names)):
        return scores
    barred = np.array([LEAST if is_root(name) else 0.0 for name in names], "float32").reshape(1, -1, 1, 1)
    return graph.op("Add", scores, graph.derived(head.name("barred"), lambda: barred))
