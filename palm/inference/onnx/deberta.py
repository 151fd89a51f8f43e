"""DeBERTa's encoder: BERT's layers with attention by content and by relative position."""

from typing import cast, final

import numpy as np

from palm.backbone.base import Backbone
from palm.backbone.deberta import Deberta
from palm.inference.onnx.graph import Array, Graph
from palm.inference.onnx.operations import (
    AddedWeights,
    AttentionWeights,
    Projection,
    activation,
    first_rows,
    first_token,
    input_mask,
    layer_norm,
    linear,
    padding_scores,
    sequence_length,
)
from palm.inference.onnx.writers import ENCODER_WRITERS, BatchFacts, EncoderWriter
from palm.kernels.position_tables import Integers, farthest, vector_rows

_EMBEDDINGS = "backbone.embeddings"
_PARTS: dict[str, Projection] = {"c2p": "key", "p2c": "query"}
"""What vectors of distances stand for where they are compared with the content of the other."""


@final
@ENCODER_WRITERS.register(Deberta)
class DebertaWriter(EncoderWriter):
    """What `palm.backbone.deberta_layers` computes; the vectors of distances are projected while writing."""

    def __init__(self, graph: Graph, backbone: Backbone, batches: BatchFacts) -> None:
        super().__init__(graph, backbone, batches)
        self._config = cast("Deberta", backbone).config

    def embedded(self) -> tuple[str, str]:
        graph, config = self.graph, self._config
        total = words = self.words()
        if config.position_biased_input:
            total = graph.op("Add", total, self._positions())
        if config.type_vocab_size:
            total = graph.op("Add", total, self._segments())
        if config.word_size != config.hidden_size:
            total = linear(graph, total, f"{_EMBEDDINGS}.projection", bias=False)  # [batch seq hidden]
        normal = layer_norm(graph, total, f"{_EMBEDDINGS}.layer_norm", config.layer_norm_eps)
        return words, self._without_padding(normal)

    def layer(self, number: int, hidden: str, name: str, added: AddedWeights | None = None) -> str:
        graph, config = self.graph, self._config
        attended = self._attended(hidden, f"{name}.attention", added)
        middle = layer_norm(
            graph, graph.op("Add", hidden, attended), f"{name}.attention.layer_norm", config.layer_norm_eps
        )
        inner = activation(graph, linear(graph, middle, f"{name}.ffn.intermediate"), config.hidden_act)
        outer = graph.op("Add", middle, linear(graph, inner, f"{name}.ffn.output"))
        found = layer_norm(graph, outer, f"{name}.ffn.layer_norm", config.layer_norm_eps)
        return self._convolved(hidden, found, name) if number == 0 and config.conv_kernel_size else found

    def pooled(self, encoded: str) -> str:
        mapped = linear(self.graph, first_token(self.graph, encoded), "backbone.pooler.dense")
        return activation(self.graph, mapped, self._config.pooler_hidden_act)

    def _looked_up(self, table: str, ids: str) -> str:
        return self.graph.op("Gather", self.graph.weight(f"{_EMBEDDINGS}.{table}.weight"), ids)

    def _positions(self) -> str:
        if self.batches.counts_positions:
            return first_rows(self.graph, self.graph.weight(f"{_EMBEDDINGS}.position_embeddings.weight"))
        return self._looked_up("position_embeddings", self.per_token("position_ids"))

    def _segments(self) -> str:
        if self.batches.one_segment:
            name = f"{_EMBEDDINGS}.token_type_embeddings"
            return self.graph.derived(f"{name}.first", lambda: self.graph.array(f"{name}.weight")[0])
        return self._looked_up("token_type_embeddings", self.per_token("segment_ids"))

    def _without_padding(self, values: str) -> str:
        """0 on padding."""
        return self.graph.op("Mul", values, self.graph.op("Unsqueeze", input_mask(self.graph), self.graph.ints([2])))

    def _attended(self, hidden: str, name: str, added: AddedWeights | None) -> str:
        graph, config = self.graph, self._config
        size = config.hidden_size // config.num_attention_heads
        scale = (size * (1 + len(config.pos_att_type))) ** -0.5
        weights = AttentionWeights(graph, name, config.num_attention_heads, scale, added)
        query = weights.by_head(hidden, "query")  # [batch heads seq size]
        scores = graph.op("MatMul", query, weights.by_head(hidden, "key"))  # [batch heads seq seq]
        if config.compares("c2p"):
            scores = graph.op("Add", scores, self._compared(query, self._vectors(weights, name, "c2p", 1.0)))
        if config.compares("p2c"):
            keys = graph.op("Transpose", weights.unmoved(hidden, "key"), perm=(0, 2, 1, 3))
            by_key = self._compared(keys, self._vectors(weights, name, "p2c", scale))
            scores = graph.op("Add", scores, graph.op("Transpose", by_key, perm=(0, 1, 3, 2)))
        scores = graph.op("Add", scores, padding_scores(graph))
        return weights.joined(graph.op("Softmax", scores, axis=-1), hidden)

    def _vectors(self, weights: AttentionWeights, name: str, term: str, scale: float) -> str:
        """Projected vectors of distances in the order that `_compared` asks for: [heads size 2*seq]."""
        graph, part = self.graph, _PARTS[term]
        owner = weights.owner(part) if self._config.share_att_key else name

        def project() -> Array:
            weight, bias = self._of_distances(weights, name, part)
            found: Array = (self._distance_vectors() @ weight + bias) * np.float32(scale)  # [vectors hidden]
            return np.transpose(found.reshape(len(found), -1, weights.size), (1, 2, 0))

        return graph.op("Gather", graph.derived(f"{owner}.distance_{part}", project), self._rows(term), axis=2)

    def _of_distances(self, weights: AttentionWeights, name: str, part: Projection) -> tuple[Array, Array]:
        """Weight and bias of the vectors of distances: those of content, or their own."""
        if self._config.share_att_key:
            return weights.weight(part), weights.bias(part)
        weight, bias = (self.graph.array(f"{name}.position_{part}.{kind}") for kind in ("weight", "bias"))
        return weight, bias

    def _distance_vectors(self) -> Array:
        """The vectors of all distances, float32[2*span hidden]."""
        graph, config = self.graph, self._config
        vectors = graph.array(f"{_EMBEDDINGS}.relative_embeddings.weight").astype("float64")
        if config.normalised_distances:
            scale, shift = (graph.array(f"{_EMBEDDINGS}.relative_layer_norm.{name}") for name in ("weight", "bias"))
            centred = vectors - vectors.mean(-1, keepdims=True)
            vectors = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config.layer_norm_eps) * scale + shift
        found: Array = vectors.astype("float32")
        return found

    def _rows(self, term: str) -> str:
        """The vectors of the distances of a sequence, query minus key: int64[2*seq].

        What keys are compared with, from 1 - seq up to seq; what queries are, from seq - 1 down to -seq. The last
        distance of each does not occur; it makes the rows of `_compared` one longer than their shift.
        """
        graph, config = self.graph, self._config

        def row(distances: Integers) -> Integers:
            return vector_rows(distances, config.span, config.position_buckets, config.largest_distance)

        limit = farthest(row)
        table = graph.derived("encoder.distance_rows", lambda: row(np.arange(-limit, limit + 1)))
        length = graph.op("Squeeze", sequence_length(graph), graph.ints([0]))
        first, behind = graph.op("Sub", graph.ints(1), length), graph.op("Add", graph.ints(1), length)
        upward = graph.op("Range", first, behind, graph.ints(1))  # [2*seq]
        distances = upward if term == "p2c" else graph.op("Neg", upward)
        clipped = graph.op("Clip", distances, graph.ints(-limit), graph.ints(limit))
        return graph.op("Gather", table, graph.op("Add", clipped, graph.ints(limit)))

    def _compared(self, content: str, vectors: str) -> str:
        """Products of tokens [batch heads seq size] with the vectors of their distances: [batch heads seq seq].

        Row i needs the products from place seq-1-i on: without the first seq-1 numbers, rows that are one shorter begin
        at these places.
        """
        graph, length = self.graph, sequence_length(self.graph)
        products = graph.op("MatMul", content, vectors)  # [batch heads seq 2*seq]
        flat = graph.op("Reshape", products, graph.ints([0, 0, -1]))
        shorter = graph.op("Sub", graph.op("Mul", length, graph.ints([2])), graph.ints([1]))  # 2*seq-1
        first = graph.op("Sub", length, graph.ints([1]))
        end = graph.op("Add", first, graph.op("Mul", length, shorter))
        cut = graph.op("Slice", flat, first, end, graph.ints([2]))
        shape = graph.op("Concat", graph.ints([0, 0]), length, shorter, axis=0)
        rows = graph.op("Reshape", cut, shape)  # [batch heads seq 2*seq-1]
        return graph.op("Slice", rows, graph.ints([0]), length, graph.ints([3]))

    def _convolved(self, hidden: str, found: str, name: str) -> str:
        """The first layer's output and a convolution of its input, normalised; 0 on padding."""
        graph, config = self.graph, self._config
        channels = graph.op("Transpose", hidden, perm=(0, 2, 1))  # [batch hidden seq]
        weights = (graph.weight(f"{name}.convolution.{parameter}") for parameter in ("weight", "bias"))
        around = config.conv_kernel_size // 2
        convolved = graph.op("Conv", channels, *weights, pads=(around, around), group=config.conv_groups)
        rows = self._without_padding(graph.op("Transpose", convolved, perm=(0, 2, 1)))
        total = graph.op("Add", found, activation(graph, rows, config.conv_act))
        return self._without_padding(layer_norm(graph, total, f"{name}.convolution_layer_norm", config.layer_norm_eps))
