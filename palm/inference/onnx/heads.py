"""The heads: what `forward` of each paradigm computes in prediction."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from palm.inference.onnx.graph import Array
from palm.inference.onnx.operations import (
    MASKED,
    activation,
    input_mask,
    layer_norm,
    linear,
    mean_of_tokens,
    missing,
)
from palm.inference.onnx.writers import HEAD_WRITERS, HeadInputs, HeadOutput
from palm.paradigm.candidates import CandidateScores
from palm.paradigm.cls import TextClass
from palm.paradigm.embed import TextEmbedding
from palm.paradigm.embedding import EMBEDDINGS, Embedding
from palm.paradigm.layers import HeadFields, PoolingFields
from palm.paradigm.mlm import MaskedLM, MaskedLMFields
from palm.paradigm.mrc import SpanExtraction
from palm.paradigm.multi_label import MultiLabel
from palm.paradigm.pairwise_match import PairwiseMatch
from palm.paradigm.regression import Regression
from palm.paradigm.seq_label import Tagging, TaggingFields

HeadOutputs = Mapping[str, HeadOutput]

_LINEAR = "linear"
_SHORTEST = 1e-12
"""The least length that a vector is divided by."""
_TRANSITIONS = "transitions"
_INT32 = 6  # TensorProto.INT32
_ONNX_GATES = (0, 3, 1, 2)
"""Gates in ONNX's order (input, output, forget, cell) by their place in Paddle's (input, forget, cell, output)."""


@HEAD_WRITERS.register(MultiLabel)
@HEAD_WRITERS.register(TextClass)
def text_classes(head: HeadInputs) -> HeadOutputs:
    """Logits of a text's classes."""
    return {"logits": HeadOutput(_text_logits(head), ("batch", head.classes("linear.weight")))}


@HEAD_WRITERS.register(Regression)
def text_value(head: HeadInputs) -> HeadOutputs:
    """A number for each text."""
    return {"values": HeadOutput(_one_score(head), ("batch",))}


@HEAD_WRITERS.register(PairwiseMatch)
def text_score(head: HeadInputs) -> HeadOutputs:
    """A score from 0 to 1 for each pair of texts."""
    return {"probs": HeadOutput(head.graph.op("Sigmoid", _text_logits(head)), ("batch", 1))}


@HEAD_WRITERS.register(Embedding)
def text_embeddings(head: HeadInputs) -> HeadOutputs:
    """A vector for each text, not normalised."""
    return {EMBEDDINGS: HeadOutput(_pooled(head), ("batch", head.backbone.hidden_size))}


@HEAD_WRITERS.register(TextEmbedding)
def classes_of_embeddings(head: HeadInputs) -> HeadOutputs:
    """The logits of a text's classes from its normalised vector, and the vector."""
    graph, embeddings = head.graph, text_embeddings(head)
    vectors = embeddings[EMBEDDINGS].value
    length = graph.op("ReduceL2", vectors, axes=(1,), keepdims=1)  # [batch 1]
    units = graph.op("Div", vectors, graph.op("Max", length, graph.floats(_SHORTEST)))
    logits = linear(graph, units, head.name(_LINEAR))
    return {"logits": HeadOutput(logits, ("batch", head.classes("linear.weight"))), **embeddings}


@HEAD_WRITERS.register(CandidateScores)
def candidate_scores(head: HeadInputs) -> HeadOutputs:
    """The score of each candidate of a row, whose sequences `choice_rows` names."""
    graph, axes = head.graph, ("row", "candidate")
    scores = graph.op("Gather", _one_score(head, bias=False), head.field("choice_rows", axes))  # [row candidate]
    absent = missing(graph, head.field("choice_mask", axes), MASKED)
    return {"logits": HeadOutput(graph.op("Add", scores, absent), axes)}


@HEAD_WRITERS.register(SpanExtraction)
def span_logits(head: HeadInputs) -> HeadOutputs:
    """Where an answer starts and ends; far below all others on padding."""
    graph = head.graph
    both = linear(graph, head.encoded, head.name(_LINEAR))  # [batch seq 2]
    padding = missing(graph, input_mask(graph), MASKED)  # [batch seq]
    start, end = (graph.op("Add", graph.op("Gather", both, graph.ints(number), axis=2), padding) for number in (0, 1))
    axes = ("batch", "seq")
    return {"start_logits": HeadOutput(start, axes), "end_logits": HeadOutput(end, axes)}


@HEAD_WRITERS.register(Tagging)
def token_classes(head: HeadInputs) -> HeadOutputs:
    """Logits of each token's classes; with a CRF these are its emissions, beside the scores of its transitions."""
    classes = head.classes("linear.weight")
    logits = HeadOutput(_logits(head, head.encoded), ("batch", "seq", classes))
    if not cast("TaggingFields", head.paradigm.config).has_crf:
        return {"logits": logits}
    table = head.graph.weight(head.name(f"{_TRANSITIONS}.weight"))
    return {"logits": logits, _TRANSITIONS: HeadOutput(table, (classes + 2, classes))}


@HEAD_WRITERS.register(MaskedLM)
def masked_tokens(head: HeadInputs) -> HeadOutputs:
    """The most probable tokens at the places `mask_pos`, which count through all sequences of the batch."""
    graph = head.graph
    rows = graph.op("Reshape", head.encoded, graph.ints([-1, head.backbone.hidden_size]))  # [batch*seq hidden]
    masked = graph.op("Gather", rows, head.field("mask_pos", ("mask",)))  # [mask hidden]
    scores = token_scores(head, transformed(head, masked))
    probabilities = graph.op("Softmax", scores, axis=-1)  # [mask vocab]
    return _best(head, probabilities)


def transformed(head: HeadInputs, masked: str) -> str:
    """What is multiplied by the word embeddings: [... hidden] → [... emb]."""
    graph, form = head.graph, head.backbone.mlm_head()
    mapped = linear(graph, masked, head.name("transform"), bias=form.transform_bias)
    epsilon = head.backbone.layer_norm_eps
    return layer_norm(
        graph, activation(graph, mapped, form.activation), head.name("layer_norm"), epsilon, bias=form.norm_bias
    )


def token_scores(head: HeadInputs, features: str) -> str:
    """The logits of all tokens: [mask emb] → [mask vocab]."""
    # Gemm takes the table as it stands: transposed, runtimes would keep it twice.
    bias = (head.graph.weight(head.name("bias")),) if head.backbone.mlm_head().decoder_bias else ()
    return head.graph.op("Gemm", features, head.graph.weight(head.encoder.word_table), *bias, transB=1)


def _best(head: HeadInputs, probabilities: str) -> HeadOutputs:
    graph, count = head.graph, head.backbone.vocab_size
    if head.paradigm.vocab is not None and len(head.paradigm.vocab) < count:
        count = len(head.paradigm.vocab)  # an embedding may have more rows than there are tokens
        probabilities = graph.op("Slice", probabilities, graph.ints([0]), graph.ints([count]), graph.ints([1]))
    top = min(cast("MaskedLMFields", head.paradigm.config).top_k, count)
    values, ids = graph.outputs_of("TopK", 2, probabilities, graph.ints([top]), axis=-1)
    axes = ("mask", top)
    return {"top_ids": HeadOutput(ids, axes), "top_probs": HeadOutput(values, axes)}


def _one_score(head: HeadInputs, *, bias: bool = True) -> str:
    """One number per text: [batch]."""
    return head.graph.op("Squeeze", _text_logits(head, bias=bias), head.graph.ints([1]))


def _text_logits(head: HeadInputs, *, bias: bool = True) -> str:
    """`palm.paradigm.layers.text_logits`: [batch class]."""
    return _logits(head, _pooled(head), bias=bias)


def _pooled(head: HeadInputs) -> str:
    """`palm.paradigm.layers.pool`: [batch hidden]."""
    graph, pooling = head.graph, cast("PoolingFields", head.paradigm.config).pooling
    if pooling == "cls":
        return head.sentence
    if pooling == "mean":
        return mean_of_tokens(graph, head.encoded)
    padding = missing(graph, graph.op("Unsqueeze", input_mask(graph), graph.ints([2])), MASKED)  # [batch seq 1]
    if pooling == "max":
        return graph.op("ReduceMax", graph.op("Add", head.encoded, padding), axes=(1,), keepdims=0)
    scores = graph.op("Add", linear(graph, head.encoded, head.name("attention_pooling"), bias=False), padding)
    weighted = graph.op("Mul", head.encoded, graph.op("Softmax", scores, axis=1))
    return graph.op("ReduceSum", weighted, graph.ints([1]), keepdims=0)


def _logits(head: HeadInputs, features: str, *, bias: bool = True) -> str:
    """`palm.paradigm.layers.head_logits`: [... size] → [... class]."""
    graph, kind = head.graph, cast("HeadFields", head.paradigm.config).head
    if kind in ("bilstm", "bilstm_crf"):
        features = _lstm(head, features)
    elif kind == "mlp":
        features = graph.op("Tanh", linear(graph, features, head.name("inner")))
    return linear(graph, features, head.name(_LINEAR), bias=bias)


def _lstm(head: HeadInputs, features: str) -> str:
    """Both directions of an LSTM, 0 on padding: [batch seq size] → [batch seq 2*inner]."""
    graph = head.graph
    inner = head.width("lstm.weight_hh_l0")
    weights = (_gates(head, "weight_ih"), _gates(head, "weight_hh"), _gates(head, "bias_ih", "bias_hh"))
    total = graph.op("ReduceSum", input_mask(graph), graph.ints([1]), keepdims=0)
    lengths = graph.op("Cast", total, to=_INT32)
    by_place = graph.op("Transpose", features, perm=(1, 0, 2))  # [seq batch size]
    found = graph.op("LSTM", by_place, *weights, lengths, direction="bidirectional", hidden_size=inner)
    moved = graph.op("Transpose", found, perm=(2, 0, 1, 3))  # [seq 2 batch inner] → [batch seq 2 inner]
    return graph.op("Reshape", moved, graph.ints([0, 0, 2 * inner]))


def _gates(head: HeadInputs, *kinds: str) -> str:
    """Parameters of both directions, gates in ONNX's order, one kind behind the other: [2 4*inner …]."""

    def direction(kind: str, suffix: str) -> Array:
        gates = np.split(head.graph.array(head.name(f"lstm.{kind}_{suffix}")), 4)
        return np.concatenate([gates[place] for place in _ONNX_GATES])

    def both() -> Array:
        rows = [np.concatenate([direction(kind, suffix) for kind in kinds]) for suffix in ("l0", "l0_reverse")]
        return np.stack(rows)

    return head.graph.derived(head.name(f"lstm.{'_'.join(kinds)}"), both)
