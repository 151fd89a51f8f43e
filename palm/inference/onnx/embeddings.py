"""The heads that embed texts: what `forward` of the paradigms on `palm.paradigm.embedding` computes in prediction."""

from palm.inference.onnx.heads import HeadOutputs, pooled
from palm.inference.onnx.operations import linear
from palm.inference.onnx.writers import HEAD_WRITERS, HeadInputs, HeadOutput
from palm.paradigm.embed import TextEmbedding
from palm.paradigm.embedding import EMBEDDINGS, Embedding

_SMALLEST = 1e-12
"""The least length that a vector is divided by."""


@HEAD_WRITERS.register(Embedding)
def text_embeddings(head: HeadInputs) -> HeadOutputs:
    """A vector for each text."""
    return {EMBEDDINGS: HeadOutput(pooled(head), ("batch", head.backbone.hidden_size))}


@HEAD_WRITERS.register(TextEmbedding)
def classes_of_embeddings(head: HeadInputs) -> HeadOutputs:
    """The logits of a text's classes from its normalised vector, and the vector."""
    graph, embeddings = head.graph, text_embeddings(head)
    vectors = embeddings[EMBEDDINGS].value
    length = graph.op("ReduceL2", vectors, axes=(1,), keepdims=1)  # [batch 1]
    units = graph.op("Div", vectors, graph.op("Max", length, graph.floats(_SMALLEST)))
    logits = linear(graph, units, head.name("linear"))
    return {"logits": HeadOutput(logits, ("batch", head.classes("linear.weight"))), **embeddings}
