"""The masked language model head: `palm.paradigm.mlm_head` as a graph."""

from palm.inference.onnx.operations import activation, layer_norm, linear
from palm.inference.onnx.writers import HeadInputs


def transformed(head: HeadInputs, masked: str) -> str:
    """What is multiplied by the word embeddings: [... hidden] → [... emb]."""
    graph, form = head.graph, head.backbone.mlm_head()
    mapped = linear(graph, masked, head.name("transform"), bias=form.transform_bias)
    epsilon = head.backbone.layer_norm_eps
    return layer_norm(
        graph, activation(graph, mapped, form.activation), head.name("layer_norm"), epsilon, bias=form.norm_bias
    )


def token_scores(head: HeadInputs, features: str) -> str:
    """The logits of all tokens: [... emb] → [... vocab]."""
    graph = head.graph
    rows = graph.op("Reshape", features, graph.ints([-1, head.backbone.mlm_head().width]))
    # Gemm takes the table as it stands: transposed, runtimes would keep it twice.
    bias = (graph.weight(head.name("bias")),) if head.backbone.mlm_head().decoder_bias else ()
    scores = graph.op("Gemm", rows, graph.weight(head.encoder.word_table), *bias, transB=1)
    shape = graph.op("Concat", _leading(head, features), graph.ints([-1]), axis=0)
    return graph.op("Reshape", scores, shape)


def _leading(head: HeadInputs, values: str) -> str:
    """The lengths of all axes but the last."""
    graph = head.graph
    return graph.op("Slice", graph.op("Shape", values), graph.ints([0]), graph.ints([-1]))
