"""The encoders of `palm.backbone.encoder.TransformerEncoder`, by their form: BERT's and those of its kind."""

from typing import cast, final

import numpy as np

from palm.backbone.base import Backbone
from palm.backbone.bert import BertLikeBackbone
from palm.inference.onnx.graph import Array, Graph
from palm.inference.onnx.operations import (
    AddedWeights,
    AttentionWeights,
    activation,
    clipped_distances,
    first_rows,
    first_token,
    layer_norm,
    linear,
    padding_scores,
)
from palm.inference.onnx.writers import ENCODER_WRITERS, BatchFacts, EncoderWriter
from palm.kernels.position_tables import farthest, relative_buckets

_EMBEDDINGS = "backbone.embeddings"


@final
@ENCODER_WRITERS.register(BertLikeBackbone)
class BertLikeWriter(EncoderWriter):
    """Embeddings by sum, layers with normalisation behind each part, a pooler on the first token."""

    def __init__(self, graph: Graph, backbone: Backbone, batches: BatchFacts) -> None:
        super().__init__(graph, backbone, batches)
        self._form = cast("BertLikeBackbone", backbone).form()

    def embedded(self) -> tuple[str, str]:
        graph = self.graph
        words = self.words()
        total = graph.op("Add", words, self._positions())
        if self._reads_segments():
            total = graph.op("Add", total, self._looked_up("token_type_embeddings", "segment_ids"))
        if self._form.task_types and not self.batches.counts_positions:
            total = graph.op("Add", total, self._looked_up("task_type_embeddings", "task_ids"))
        hidden = layer_norm(graph, total, f"{_EMBEDDINGS}.layer_norm", self.backbone.config.layer_norm_eps)
        if self._form.embedding_size:
            hidden = linear(graph, hidden, f"{_EMBEDDINGS}.projection")  # [batch seq hidden]
        return words, hidden

    def layer(self, number: int, hidden: str, name: str, added: AddedWeights | None = None) -> str:
        graph, config = self.graph, self.backbone.config
        scale = (config.hidden_size // config.num_attention_heads) ** -0.5
        weights = AttentionWeights(graph, f"{name}.attention", config.num_attention_heads, scale, added)
        scores = graph.op("MatMul", weights.by_head(hidden, "query"), weights.by_head(hidden, "key"))
        if self._form.buckets:
            scores = graph.op("Add", scores, self._relative_bias())
        scores = graph.op("Add", scores, padding_scores(graph))  # [batch heads seq seq]
        attended = weights.attended(hidden, scores)
        middle = layer_norm(
            graph, graph.op("Add", hidden, attended), f"{name}.attention.layer_norm", config.layer_norm_eps
        )
        inner = activation(graph, linear(graph, middle, f"{name}.ffn.intermediate"), config.hidden_act)
        outer = graph.op("Add", middle, linear(graph, inner, f"{name}.ffn.output"))
        return layer_norm(graph, outer, f"{name}.ffn.layer_norm", config.layer_norm_eps)

    def pooled(self, encoded: str) -> str:
        mapped = linear(self.graph, first_token(self.graph, encoded), "backbone.pooler.dense")
        return activation(self.graph, mapped, self._form.pooler)

    def shared(self, number: int) -> str:
        if self._form.groups is None:
            return super().shared(number)
        group = int(number / (self.depth / self._form.groups))  # as `palm.backbone.encoder.Encoder` counts
        return f"backbone.encoder.groups.{group}"

    def _has_segments(self) -> bool:
        return self._form.segments and self.backbone.config.type_vocab_size > 0

    def _reads_segments(self) -> bool:
        return self._has_segments() and self._form.segment_inputs and not self.batches.one_segment

    def _looked_up(self, table: str, field: str) -> str:
        return self.graph.op("Gather", self.graph.weight(f"{_EMBEDDINGS}.{table}.weight"), self.per_token(field))

    def _positions(self) -> str:
        """The embeddings of positions, with those of segments and tasks that are the same for all tokens."""
        graph = self.graph
        table = graph.derived("encoder.positions", self._position_table)
        if self.batches.counts_positions:
            return first_rows(graph, table)  # [seq emb]
        return graph.op("Gather", table, self.per_token("position_ids"))  # [batch seq emb]

    def _position_table(self) -> Array:
        total = self.graph.array(f"{_EMBEDDINGS}.position_embeddings.weight")
        if self._has_segments() and not self._reads_segments():
            total = total + self.graph.array(f"{_EMBEDDINGS}.token_type_embeddings.weight")[0]
        if self._form.task_types and self.batches.counts_positions:
            total = total + self.graph.array(f"{_EMBEDDINGS}.task_type_embeddings.weight")[0]
        return total

    def _relative_bias(self) -> str:
        """What relative positions add to the scores: float32[1 heads seq seq]."""
        graph = self.graph
        limit = farthest(lambda distance: relative_buckets(distance, self._form.buckets))
        table = graph.derived("encoder.relative_bias", lambda: self._bias_table(limit))  # [heads distances]
        bias = graph.op("Gather", table, clipped_distances(graph, limit), axis=1)  # [heads seq seq]
        return graph.op("Unsqueeze", bias, graph.ints([0]))

    def _bias_table(self, limit: int) -> Array:
        buckets = relative_buckets(np.arange(-limit, limit + 1), self._form.buckets)
        table: Array = self.graph.array(f"{_EMBEDDINGS}.relative_attention_bias.weight")[buckets]
        return np.transpose(table)
