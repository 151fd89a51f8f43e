"""ModernBERT's encoder: normalisation before each part, rotated queries and keys, local attention, a gate."""

from typing import cast, final

import numpy as np

from palm.backbone.base import Backbone
from palm.backbone.modernbert import ModernBert
from palm.inference.onnx.graph import Array, Graph
from palm.inference.onnx.operations import (
    PADDING_SCORE,
    AddedWeights,
    AttentionWeights,
    Projection,
    activation,
    distances,
    first_rows,
    first_token,
    layer_norm,
    linear,
    mean_of_tokens,
    padding_scores,
)
from palm.inference.onnx.writers import ENCODER_WRITERS, BatchFacts, EncoderWriter
from palm.kernels.position_tables import angles


@final
@ENCODER_WRITERS.register(ModernBert)
class ModernBertWriter(EncoderWriter):
    """What `palm.backbone.modernbert_layers` computes, without its blocks: all scores, those out of reach masked."""

    def __init__(self, graph: Graph, backbone: Backbone, batches: BatchFacts) -> None:
        super().__init__(graph, backbone, batches)
        self._config = cast("ModernBert", backbone).config

    def embedded(self) -> tuple[str, str]:
        words = self.words()
        return words, self._normal(words, "backbone.embeddings.layer_norm")

    def layer(self, number: int, hidden: str, name: str, added: AddedWeights | None = None) -> str:
        graph, last = self.graph, number == self.depth - 1
        normal = self._normal(hidden, f"{name}.attention.layer_norm") if number else hidden
        middle = graph.op("Add", hidden, self._attended(number, normal, name, added))
        outer = graph.op("Add", middle, self._fed_forward(middle, name))
        return self._normal(outer, f"{name}.final_layer_norm") if last else outer

    def pooled(self, encoded: str) -> str:
        pool = mean_of_tokens if self._config.classifier_pooling == "mean" else first_token
        mapped = linear(
            self.graph, pool(self.graph, encoded), "backbone.pooler.dense", bias=self._config.classifier_bias
        )
        active = activation(self.graph, mapped, self._config.classifier_activation)
        return self._normal(active, "backbone.pooler.layer_norm")

    def _normal(self, values: str, name: str) -> str:
        return layer_norm(self.graph, values, name, self._config.layer_norm_eps, bias=self._config.norm_bias)

    def _attended(self, number: int, normal: str, name: str, added: AddedWeights | None) -> str:
        graph, config, local = self.graph, self._config, self._config.is_local(number)
        scale = (config.hidden_size // config.num_attention_heads) ** -0.5
        weights = AttentionWeights(
            graph, f"{name}.attention", config.num_attention_heads, scale, added, biases=config.attention_bias
        )
        query, key = (self._rotated(weights, normal, part, local=local) for part in ("query", "key"))
        scores = graph.op("Add", graph.op("MatMul", query, key), self._reach() if local else padding_scores(graph))
        return weights.joined(graph.op("Softmax", scores, axis=-1), normal)

    def _rotated(self, weights: AttentionWeights, normal: str, part: Projection, *, local: bool) -> str:
        """Queries or keys as of `by_head`, each pair of coordinates turned by the angle of its position."""
        graph = self.graph
        values = graph.op("Transpose", weights.unmoved(normal, part), perm=(0, 2, 1, 3))  # [batch heads seq size]
        cosine, sine = self._angles(weights.size, local=local)
        halves = graph.outputs_of("Split", 2, values, graph.ints([weights.size // 2] * 2), axis=-1)
        turned = graph.op("Concat", graph.op("Neg", halves[1]), halves[0], axis=-1)
        rotated = graph.op("Add", graph.op("Mul", values, cosine), graph.op("Mul", turned, sine))
        return graph.op("Transpose", rotated, perm=(0, 1, 3, 2)) if part == "key" else rotated

    def _angles(self, size: int, *, local: bool) -> tuple[str, str]:
        """Cosine and sine of the positions of a sequence: [seq size]."""
        longest, theta = self._config.max_position_embeddings, self._config.thetas[local]
        cosine, sine = angles(longest, size, theta)
        graph = self.graph
        cosines = graph.derived(f"encoder.cosine_{theta!r}", lambda: cosine)
        sines = graph.derived(f"encoder.sine_{theta!r}", lambda: sine)
        return first_rows(graph, cosines), first_rows(graph, sines)

    def _reach(self) -> str:
        """What is added to scores of layers that see a window: float32[batch 1 seq seq]."""
        graph, window = self.graph, self._config.local_attention // 2
        far = graph.op("Greater", graph.op("Abs", distances(graph)), graph.ints(window))  # [seq seq]
        scores = graph.op("Where", far, graph.floats(PADDING_SCORE), graph.floats(0.0))
        return graph.op("Add", padding_scores(graph), scores)

    def _fed_forward(self, middle: str, name: str) -> str:
        normal = self._normal(middle, f"{name}.ffn.layer_norm")
        value, gate = (self._half(normal, f"{name}.ffn.intermediate", number) for number in (0, 1))
        inner = self.graph.op("Mul", activation(self.graph, value, self._config.hidden_act), gate)
        return linear(self.graph, inner, f"{name}.ffn.output", bias=self._config.mlp_bias)

    def _half(self, normal: str, name: str, number: int) -> str:
        """Half of the outputs of a linear map, with weights of its own, so that no values have to be moved."""
        graph, kind = self.graph, ("value", "gate")[number]

        def half(parameter: str) -> Array:
            return np.split(graph.array(f"{name}.{parameter}"), 2, axis=-1)[number]

        mapped = graph.op("MatMul", normal, graph.derived(f"{name}.{kind}.weight", lambda: half("weight")))
        if not self._config.mlp_bias:
            return mapped
        return graph.op("Add", mapped, graph.derived(f"{name}.{kind}.bias", lambda: half("bias")))
