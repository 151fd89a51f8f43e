"""DeBERTa's encoder as Paddle layers: BERT's layers with disentangled attention."""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

import paddle
from paddle import Tensor, nn

from palm.backbone.deberta_config import DebertaConfig
from palm.backbone.embeddings import LayerNorm, initialized, word_vectors
from palm.backbone.encoder import Attention, CheckpointedLayer, Encoder, FeedForward, LayeredEncoder, padding_mask
from palm.backbone.word_embeddings import WordEmbeddings
from palm.kernels import disentangled, plain
from palm.kernels.choice import EncoderKernels, choose_kernels
from palm.kernels.contract import LayerSettings, Rows
from palm.kernels.dense import activation, linear
from palm.kernels.disentangled import Distances, RelativeRows, static_indices
from palm.kernels.position_tables import vector_indices


class DebertaEmbeddings(nn.Layer):
    """Word embeddings, those of positions and segments where there are any, and the vectors of relative positions."""

    def __init__(self, config: DebertaConfig, kernels: EncoderKernels) -> None:
        super().__init__()
        width, table = config.word_size, initialized(config)
        self.word_embeddings = WordEmbeddings(config.vocab_size, width, weight_attr=table)
        if config.position_biased_input:
            self.position_embeddings = nn.Embedding(config.max_position_embeddings, width, weight_attr=table)
        if config.type_vocab_size:
            self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width, weight_attr=table)
        if width != config.hidden_size:
            self.projection = nn.Linear(width, config.hidden_size, weight_attr=table, bias_attr=False)
        self.layer_norm = LayerNorm(config)
        if config.relative_attention:
            self.relative_embeddings = nn.Embedding(2 * config.span, config.hidden_size, weight_attr=table)
            if config.normalised_distances:
                self.relative_layer_norm = LayerNorm(config)
        self._config, self._kernels = config, kernels

    def forward(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The word embeddings, [batch seq emb], and the encoder's first input, [batch*seq hidden]."""
        config = self._config
        words = word_vectors(self.word_embeddings, inputs)  # [batch seq emb]
        total = words
        if config.position_biased_input:
            total = total + self.position_embeddings(inputs["position_ids"])
        if config.type_vocab_size:
            total = total + self.token_type_embeddings(inputs["segment_ids"])
        rows = paddle.flatten(total, 0, 1)  # [batch*seq emb]
        if config.word_size != config.hidden_size:
            rows = linear(rows, self.projection.weight)  # [batch*seq hidden]
        rows = self._kernels.layer_norm(rows, self.layer_norm.weight, self.layer_norm.bias, config.layer_norm_eps)
        rows = rows * inputs["input_mask"].reshape([-1, 1])
        return words, self._kernels.dropout(rows, config.hidden_dropout_prob if self.training else 0.0)

    def distances(self, first: int, last: int) -> Tensor:
        """The vectors of relative positions from row `first` to `last`: [vectors hidden]."""
        vectors = self.relative_embeddings.weight[first : last + 1]
        if self._config.normalised_distances:
            norm, epsilon = self.relative_layer_norm, self._config.layer_norm_eps
            if not paddle.in_dynamic_mode():  # paddle.inference cannot compute `layer_norm` of constants ahead
                vectors = vectors - vectors.mean(-1, keepdim=True)
                deviations = paddle.sqrt((vectors * vectors).mean(-1, keepdim=True) + epsilon)
                return vectors / deviations * norm.weight + norm.bias
            vectors = self._kernels.layer_norm(vectors, norm.weight, norm.bias, epsilon)
        return vectors


class DisentangledAttentionPart(Attention):
    """Parameters of disentangled attention: BERT's, and projections of relative positions unless they are shared."""

    def __init__(self, config: DebertaConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        if not config.share_att_key:
            if config.compares("c2p"):
                self.position_key = nn.Linear(width, width, weight_attr=initialized(config))
            if config.compares("p2c"):
                self.position_query = nn.Linear(width, width, weight_attr=initialized(config))


@final
class DebertaLayer(CheckpointedLayer):
    """One layer.

    Args:
        config: The backbone's config.
        kernels: The kernels of layer normalisation and dropout.
        number: The layer's number, from 0; a convolution is part of the first.
    """

    def __init__(self, config: DebertaConfig, kernels: EncoderKernels, number: int) -> None:
        settings = LayerSettings(
            heads=config.num_attention_heads,
            activation=config.hidden_act,
            epsilon=config.layer_norm_eps,
            hidden_dropout=config.hidden_dropout_prob,
            attention_dropout=config.attention_probs_dropout_prob,
        )
        super().__init__(settings, recompute=config.recompute)
        self.attention = DisentangledAttentionPart(config)
        self.ffn = FeedForward(config)
        self._config, self._kernels, self._terms = config, kernels, 1 + len(config.pos_att_type)
        self._convolves = number == 0 and config.conv_kernel_size > 0
        if self._convolves:
            width, kernel = config.hidden_size, config.conv_kernel_size
            self.convolution = nn.Conv1D(
                width, width, kernel, padding=kernel // 2, groups=config.conv_groups, weight_attr=initialized(config)
            )
            self.convolution_layer_norm = LayerNorm(config)

    def compute(
        self, hidden: Tensor, rows: Rows, settings: LayerSettings, added: Tensor | None, *shared: Tensor
    ) -> Tensor:
        if not isinstance(rows, RelativeRows):
            raise TypeError("a layer of DeBERTa needs the relative positions of its encoder")
        settings = replace(settings, bf16=settings.bf16 and self._kernels.name == "fused")
        context = self._attended(hidden, rows, settings, added, *shared)
        part = self.attention
        mapped = linear(context, part.output.weight, part.output.bias, bf16=settings.bf16)
        middle = self._added(hidden, mapped, part.layer_norm, settings)
        ffn = self.ffn
        inner = linear(middle, ffn.intermediate.weight, ffn.intermediate.bias, bf16=settings.bf16)
        active = activation(inner, settings.activation, fused=self._kernels.name == "fused")  # [batch*seq inner]
        outer = linear(active, ffn.output.weight, ffn.output.bias, bf16=settings.bf16)
        result = self._added(middle, outer, ffn.layer_norm, settings)
        return self._convolved(hidden, result, rows, settings) if self._convolves else result

    def _added(self, hidden: Tensor, part: Tensor, norm: LayerNorm, settings: LayerSettings) -> Tensor:
        total = hidden + self._kernels.dropout(part, settings.hidden_dropout)
        return self._kernels.layer_norm(total, norm.weight, norm.bias, settings.epsilon)

    def _attended(
        self, hidden: Tensor, rows: RelativeRows, settings: LayerSettings, added: Tensor | None, *shared: Tensor
    ) -> Tensor:
        qkv = self.attention.qkv
        weight = qkv.weight if added is None else qkv.weight + added
        fused = self._kernels.name == "fused"
        if not shared or rows.indices is None:
            mapped = linear(hidden, weight, qkv.bias, bf16=settings.bf16)
            content = Distances(None, None, self._terms)
            return disentangled.attention(mapped, content, settings=settings, rows=rows, fused=fused)
        vectors = self._kernels.dropout(shared[0], settings.hidden_dropout, before=0)  # those of distances
        if self._config.share_att_key:
            # One product projects tokens and relative positions: they share the weights, and what LoRA adds to them.
            both = linear(paddle.concat([hidden, vectors]), weight, qkv.bias, bf16=settings.bf16)
            count = vectors.shape[0]  # that of tokens is not known in a static graph
            mapped, projected = both[:-count], both[-count:]
            queries, keys, _ = projected.chunk(3, axis=-1)  # [vectors hidden]
        else:
            mapped = linear(hidden, weight, qkv.bias, bf16=settings.bf16)
            keys, queries = self._projected(vectors, "c2p", settings), self._projected(vectors, "p2c", settings)
        distances = Distances(
            paddle.gather(keys, rows.indices) if self._config.compares("c2p") else None,
            paddle.gather(queries, rows.indices) if self._config.compares("p2c") else None,
            self._terms,
        )
        return disentangled.attention(mapped, distances, settings=settings, rows=rows, fused=fused)

    def _projected(self, vectors: Tensor, term: str, settings: LayerSettings) -> Tensor:
        part = getattr(self.attention, "position_key" if term == "c2p" else "position_query", None)
        return vectors if part is None else linear(vectors, part.weight, part.bias, bf16=settings.bf16)

    def _convolved(self, hidden: Tensor, result: Tensor, rows: RelativeRows, settings: LayerSettings) -> Tensor:
        """The first layer's output and a convolution of its input, normalised; 0 on padding."""
        width = hidden.shape[-1]
        channels = hidden.reshape([rows.batch, rows.seq, width]).transpose([0, 2, 1])  # [batch hidden seq]
        found = self.convolution(channels).transpose([0, 2, 1]).reshape([-1, width]) * rows.real
        active = plain.activation(self._kernels.dropout(found, settings.hidden_dropout), self._config.conv_act)
        norm = self.convolution_layer_norm
        return self._kernels.layer_norm(result + active, norm.weight, norm.bias, settings.epsilon) * rows.real


class ContextPooler(nn.Layer):
    """A projection of the first token."""

    def __init__(self, config: DebertaConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size, weight_attr=initialized(config))
        self._activation, self._dropout = config.pooler_hidden_act, config.pooler_dropout

    def forward(self, encoded: Tensor, input_mask: Tensor) -> Tensor:
        """[batch seq hidden] → [batch hidden]."""
        del input_mask  # the first token is never padding
        first = plain.dropout(encoded[:, 0], self._dropout if self.training else 0.0)
        return plain.activation(plain.linear(first, self.dense.weight, self.dense.bias), self._activation)


@final
class DebertaEncoder(LayeredEncoder):
    """The layers of `Deberta`.

    Args:
        config: The backbone's config.
        kernels: The encoder's kernels; by default those that `config.kernels` selects.
    """

    def __init__(self, config: DebertaConfig, *, kernels: EncoderKernels | None = None) -> None:
        chosen = kernels or choose_kernels(config.kernels)
        encoder = Encoder(lambda number: DebertaLayer(config, chosen, number), config.num_hidden_layers)
        super().__init__(DebertaEmbeddings(config, chosen), encoder, ContextPooler(config))
        self._config = config

    def rows(self, inputs: Mapping[str, Tensor]) -> Rows:
        config, (batch, seq) = self._config, inputs["token_ids"].shape
        mask, real = padding_mask(inputs["input_mask"]), inputs["input_mask"].reshape([-1, 1])
        if not config.relative_attention:
            return RelativeRows(batch, seq, mask, None, None, real)
        table = config.span, config.position_buckets, config.largest_distance
        if not paddle.in_dynamic_mode():
            vectors = self.embeddings.distances(0, 2 * config.span - 1)
            return RelativeRows(batch, seq, mask, vectors, static_indices(seq, *table), real)
        first, last, places = vector_indices(seq, *table)
        return RelativeRows(batch, seq, mask, self.embeddings.distances(first, last), paddle.to_tensor(places), real)
