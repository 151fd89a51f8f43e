"""A Transformer decoder over the encoder's outputs, as Paddle layers (arXiv:1706.03762).

Normalisation comes after each part, as in BERT, so that its parameters are those of a BERT with cross-attention
(transformers' `BertLMHeadModel` as a decoder). Word embeddings are the encoder's.
"""

from dataclasses import dataclass, replace

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import ParamAttr, Tensor, nn
from paddle.nn import functional

from palm.kernels import dense, plain
from palm.kernels.choice import choose_kernels
from palm.kernels.contract import DecoderAttention
from palm.kernels.decoder_attention import attend, attend_to
from palm.kernels.products import in_bf16
from palm.paradigm.mlm_head import token_scores, transformed
from palm.schema.fields import BackboneFields

_PADDING_SCORE = -10000.0


@dataclass(frozen=True)
class DecoderForm:
    """The form of a decoder beside the encoder's config.

    Attributes:
        layers: Number of its layers.
        positions: Most tokens of a text.
        initializer_range: Standard deviation of the initial weights.
    """

    layers: int
    positions: int
    initializer_range: float


@dataclass(frozen=True)
class EncodedTexts:
    """What a decoder sees of the texts.

    Attributes:
        rows: The encoder's outputs, float32[batch*seq hidden].
        batch: Number of texts.
        mask: Mask of padding that is added to attention scores, float32[batch 1 1 seq].
    """

    rows: Tensor
    batch: int
    mask: Tensor

    @classmethod
    def of(cls, encoded: Tensor, input_mask: Tensor) -> "EncodedTexts":
        """Those of a batch, float32[batch seq hidden] and float32[batch seq]."""
        mask = ((1.0 - input_mask) * _PADDING_SCORE).unsqueeze([1, 2])  # [batch 1 1 seq]
        return cls(encoded.flatten(0, 1), encoded.shape[0], mask.detach())


@dataclass(frozen=True)
class LayerCache:
    """Keys and values of one layer, split into heads.

    Attributes:
        own: Those of the tokens written so far, float32[2 row heads token size]; None before the first.
        source: Those of the texts, float32[2 batch heads seq size].
    """

    own: Tensor | None
    source: Tensor


@dataclass(frozen=True)
class DecoderCache:
    """What a decoder remembers of several texts, while it writes `beams` continuations of each.

    Attributes:
        layers: Keys and values of each layer; row i*beams + j is continuation j of text i.
        mask: That of the texts' padding.
        beams: Continuations of each text.
    """

    layers: tuple[LayerCache, ...]
    mask: Tensor
    beams: int

    def take(self, rows: Tensor) -> "DecoderCache":
        """The cache whose row i is row `rows[i]` of this one, int64[batch*beams]: of the same text."""
        layers = [
            layer if layer.own is None else replace(layer, own=paddle.index_select(layer.own, rows, axis=1))
            for layer in self.layers
        ]
        return replace(self, layers=tuple(layers))


class _Norm(nn.LayerNorm):
    """Layer normalisation, with the backward pass that is fast on the CPU."""

    weight: Tensor
    bias: Tensor

    def __init__(self, backbone: BackboneFields) -> None:
        super().__init__(backbone.hidden_size, epsilon=backbone.layer_norm_eps)
        self._smallest = backbone.layer_norm_eps

    def forward(self, rows: Tensor) -> Tensor:
        """[row hidden] → [row hidden]."""
        return plain.layer_norm(rows, self.weight, self.bias, self._smallest)


class _AttentionPart(nn.Layer):
    """Attention with residual and normalisation: parameters and products."""

    def __init__(self, backbone: BackboneFields, form: DecoderForm, *, fused: bool, causal: bool) -> None:
        super().__init__()
        width, attr = backbone.hidden_size, _normal(form)
        self.query = nn.Linear(width, width, weight_attr=attr)
        self.key_value = nn.Linear(width, 2 * width, weight_attr=attr)
        self.output = nn.Linear(width, width, weight_attr=attr)
        self.layer_norm = _Norm(backbone)
        self._heads, self._fused, self._causal = backbone.num_attention_heads, fused, causal

    def attended(self, rows: Tensor, others: Tensor, mask: Tensor | None, batch: int, *, dropout: float) -> Tensor:
        """[batch*query hidden], which attend to [batch*key hidden] → [batch*query hidden]."""
        settings = DecoderAttention(self._heads, batch, self._causal, dropout, fused=self._fused, bf16=in_bf16())
        context = attend(_linear(self.query, rows), _linear(self.key_value, others), mask, settings)
        return self.joined(rows, context, dropout)

    def joined(self, rows: Tensor, context: Tensor, dropout: float = 0.0) -> Tensor:
        """What attention found, added to [row hidden]."""
        return _added(rows, _linear(self.output, context), self.layer_norm, dropout)

    def queries(self, rows: Tensor, beams: int) -> Tensor:
        """[batch*beams hidden] → [batch heads beams size]."""
        split = _linear(self.query, rows).reshape([-1, beams, self._heads, rows.shape[-1] // self._heads])
        return split.transpose([0, 2, 1, 3])

    def keys_and_values(self, others: Tensor, batch: int) -> Tensor:
        """[batch*key hidden] → [2 batch heads key size]."""
        split = _linear(self.key_value, others).reshape([batch, -1, 2, self._heads, others.shape[-1] // self._heads])
        return split.transpose([2, 0, 3, 1, 4])


class _FeedForwardPart(nn.Layer):
    """Feed-forward with residual and normalisation."""

    def __init__(self, backbone: BackboneFields, form: DecoderForm) -> None:
        super().__init__()
        attr = _normal(form)
        self.intermediate = nn.Linear(backbone.hidden_size, backbone.inner_size, weight_attr=attr)
        self.output = nn.Linear(backbone.inner_size, backbone.hidden_size, weight_attr=attr)
        self.layer_norm = _Norm(backbone)
        self._activation = backbone.hidden_act

    def forward(self, rows: Tensor, dropout: float = 0.0) -> Tensor:
        """[row hidden] → [row hidden]."""
        inner = plain.activation(_linear(self.intermediate, rows), self._activation)  # [row inner]
        return _added(rows, _linear(self.output, inner), self.layer_norm, dropout)


class DecoderLayer(nn.Layer):
    """Self-attention to the tokens before, attention to the text, feed-forward."""

    def __init__(self, backbone: BackboneFields, form: DecoderForm, *, fused: bool) -> None:
        super().__init__()
        self.self_attention = _AttentionPart(backbone, form, fused=fused, causal=True)
        self.cross_attention = _AttentionPart(backbone, form, fused=fused, causal=False)
        self.ffn = _FeedForwardPart(backbone, form)

    def forward(self, rows: Tensor, source: EncodedTexts, dropout: float) -> Tensor:
        """All tokens at once: [batch*target hidden] → [batch*target hidden]."""
        rows = self.self_attention.attended(rows, rows, None, source.batch, dropout=dropout)
        rows = self.cross_attention.attended(rows, source.rows, source.mask, source.batch, dropout=dropout)
        found: Tensor = self.ffn(rows, dropout)
        return found

    def cache(self, source: EncodedTexts) -> LayerCache:
        """The cache before the first token."""
        return LayerCache(None, self.cross_attention.keys_and_values(source.rows, source.batch))

    def step(self, rows: Tensor, cache: LayerCache, mask: Tensor, beams: int) -> tuple[Tensor, LayerCache]:
        """One token for each row: [batch*beams hidden] → [batch*beams hidden], and the cache with it."""
        hidden, part = rows.shape[-1], self.self_attention
        new = part.keys_and_values(rows, rows.shape[0])  # [2 row heads 1 size]
        own = new if cache.own is None else paddle.concat([cache.own, new], axis=3)
        context = attend_to(part.queries(rows, 1), own[0], own[1], None)  # [row heads 1 size]
        rows = part.joined(rows, context.reshape([-1, hidden]))
        part = self.cross_attention
        context = attend_to(part.queries(rows, beams), cache.source[0], cache.source[1], mask)
        rows = part.joined(rows, context.transpose([0, 2, 1, 3]).reshape([-1, hidden]))  # [batch*beams hidden]
        return self.ffn(rows), replace(cache, own=own)


class TextDecoder(nn.Layer):
    """Position embeddings and layers; words are rows of the encoder's embeddings.

    Args:
        backbone: The encoder's config.
        form: The form of the decoder.
    """

    def __init__(self, backbone: BackboneFields, form: DecoderForm) -> None:
        super().__init__()
        width, words = backbone.hidden_size, backbone.mlm_head().width
        fused = choose_kernels(backbone.kernels).name == "fused"
        if words != width:
            self.projection = nn.Linear(words, width, weight_attr=_normal(form))
        self.position_embeddings = nn.Embedding(form.positions, width, weight_attr=_normal(form))
        self.layer_norm = _Norm(backbone)
        self.layers = nn.LayerList([DecoderLayer(backbone, form, fused=fused) for _ in range(form.layers)])
        self._is_projected = words != width

    def forward(self, ids: Tensor, table: Tensor, source: EncodedTexts, dropout: float = 0.0) -> Tensor:
        """Hidden states of all tokens, each of which sees those before it: [batch*target hidden].

        Args:
            ids: The tokens, int64[batch target].
            table: The word embeddings, float32[vocab emb].
            source: What the decoder sees of the texts.
            dropout: Dropout of embeddings, parts and attention probabilities; 0 outside training.
        """
        length = ids.shape[1]
        rows = self._embedded(ids, table, paddle.arange(length)).flatten(0, 1)  # [batch*target hidden]
        rows = plain.dropout(rows, dropout)
        for layer in self.layers:
            rows = layer(rows, source, dropout)
        return rows

    def cache(self, source: EncodedTexts, beams: int) -> DecoderCache:
        """What it remembers of the texts before the first token."""
        return DecoderCache(tuple(layer.cache(source) for layer in self.layers), source.mask, beams)

    def step(self, ids: Tensor, place: int, table: Tensor, cache: DecoderCache) -> tuple[Tensor, DecoderCache]:
        """Hidden states of one more token of each row, [batch*beams hidden], and the cache with it.

        Args:
            ids: The tokens, int64[batch*beams].
            place: Their position.
            table: The word embeddings, float32[vocab emb].
            cache: What was remembered before.
        """
        rows = self._embedded(ids, table, paddle.full([1], place, "int64"))  # [batch*beams hidden]
        layers = []
        for layer, known in zip(self.layers, cache.layers, strict=True):
            rows, known = layer.step(rows, known, cache.mask, cache.beams)
            layers.append(known)
        return rows, replace(cache, layers=tuple(layers))

    def _embedded(self, ids: Tensor, table: Tensor, places: Tensor) -> Tensor:
        """Normalised sum of word and position embeddings: [... hidden]."""
        words = functional.embedding(ids, table)  # [... emb]
        if self._is_projected:
            words = _linear(self.projection, words.reshape([-1, words.shape[-1]])).reshape([*ids.shape, -1])
        total = words + self.position_embeddings(places)
        normal: Tensor = self.layer_norm(total.reshape([-1, total.shape[-1]])).reshape(total.shape)
        return normal


def _normal(form: DecoderForm) -> ParamAttr:
    return ParamAttr(initializer=nn.initializer.Normal(0.0, form.initializer_range))


def _linear(layer: nn.Linear, rows: Tensor) -> Tensor:
    """[row in] → [row out], in bfloat16 where mixed precision asks for it and rows are not few."""
    bf16 = in_bf16() and rows.shape[0] >= dense.MIN_BF16_ROWS
    return dense.linear(rows, layer.weight, layer.bias, bf16=bf16)


def _added(rows: Tensor, found: Tensor, norm: _Norm, dropout: float) -> Tensor:
    """Dropout of `found`, residual and normalisation: [row hidden]."""
    normal: Tensor = norm(rows + plain.dropout(found, dropout))
    return normal


class TextWriter:
    """Writes texts token by token, with what it remembers of those before.

    Args:
        layers: `decoder` and `lm_head`.
        table: The word embeddings, float32[vocab emb].
        source: What the decoder sees of the texts.
        beams: Continuations of each text.
        tokens: Number of tokens; the table may have more rows.
    """

    def __init__(self, layers: nn.Layer, table: Tensor, source: EncodedTexts, *, beams: int, tokens: int) -> None:
        self._decoder: TextDecoder = layers.decoder
        self._head, self._table, self._tokens = layers.lm_head, table, tokens
        self._cache, self._place = self._decoder.cache(source, beams), 0

    def advance(self, latest: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Log probabilities of the next token: float32[batch*beams vocab].

        Args:
            latest: The latest token of each row.
            rows: Which row each one continues.
        """
        if not np.array_equal(rows, np.arange(len(rows))):
            self._cache = self._cache.take(paddle.to_tensor(rows))
        hidden, self._cache = self._decoder.step(paddle.to_tensor(latest), self._place, self._table, self._cache)
        self._place += 1
        logits = token_scores(self._head, transformed(self._head, hidden), self._table)[:, : self._tokens]
        found: NDArray[np.float32] = functional.log_softmax(logits.astype("float32"), axis=-1).numpy()
        return found
