"""ModernBERT's encoder as Paddle layers: normalisation before each part, rotary positions, gated feed-forward."""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

import paddle
from paddle import Tensor, nn

from palm.backbone.embeddings import initialized, word_vectors
from palm.backbone.encoder import CheckpointedLayer, Encoder, LayeredEncoder, padding_mask
from palm.backbone.modernbert_config import ModernBertConfig
from palm.backbone.word_embeddings import WordEmbeddings
from palm.kernels import plain, rotary
from palm.kernels.batch_position import tokens_before
from palm.kernels.choice import EncoderKernels, choose_kernels
from palm.kernels.contract import LayerSettings, Rows
from palm.kernels.dense import activation, linear
from palm.kernels.fused import rotary as fused
from palm.kernels.fused.layer import fits
from palm.kernels.fused.packing import Packing
from palm.kernels.rotary import PackedRotaryRows, RotaryPacking, RotaryRows, Rotation


class Norm(nn.Layer):
    """Layer normalisation of [rows width]; without a bias unless the config says `norm_bias`."""

    def __init__(self, config: ModernBertConfig, kernels: EncoderKernels) -> None:
        super().__init__()
        width = config.hidden_size
        self.weight = self.create_parameter([width], default_initializer=nn.initializer.Constant(1.0))
        if config.norm_bias:
            self.bias = self.create_parameter([width], is_bias=True)
        self._kernels, self._epsilon, self._has_bias = kernels, config.layer_norm_eps, config.norm_bias

    def forward(self, rows: Tensor) -> Tensor:
        bias = self.bias if self._has_bias else paddle.zeros_like(self.weight)
        return self._kernels.layer_norm(rows, self.weight, bias, self._epsilon)


class ModernBertEmbeddings(nn.Layer):
    """Word embeddings, normalised: positions enter through attention."""

    def __init__(self, config: ModernBertConfig, kernels: EncoderKernels) -> None:
        super().__init__()
        self.word_embeddings = WordEmbeddings(config.vocab_size, config.hidden_size, weight_attr=initialized(config))
        self.layer_norm = Norm(config, kernels)
        self._kernels, self._dropout = kernels, config.dropout_of_embeddings

    def forward(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The word embeddings, [batch seq hidden], and the encoder's first input, [batch*seq hidden]."""
        words = word_vectors(self.word_embeddings, inputs)  # [batch seq hidden]
        rows = self.layer_norm(paddle.flatten(words, 0, 1))  # [batch*seq hidden]
        return words, self._kernels.dropout(rows, self._dropout if self.training else 0.0)


class RotaryAttentionPart(nn.Layer):
    """Parameters of self-attention; the first layer has no normalisation, since the embeddings are normalised."""

    def __init__(self, config: ModernBertConfig, kernels: EncoderKernels, *, first: bool) -> None:
        super().__init__()
        width, bias = config.hidden_size, None if config.attention_bias else False
        self.qkv = nn.Linear(width, 3 * width, weight_attr=initialized(config), bias_attr=bias)
        self.output = nn.Linear(width, width, weight_attr=initialized(config), bias_attr=bias)
        if not first:
            self.layer_norm = Norm(config, kernels)


class GatedFeedForward(nn.Layer):
    """Parameters of `output(activation(input) · gate)` (GeGLU, arXiv:2002.05202); `intermediate` makes both."""

    def __init__(self, config: ModernBertConfig, kernels: EncoderKernels) -> None:
        super().__init__()
        width, inner, bias = config.hidden_size, config.inner_size, None if config.mlp_bias else False
        self.intermediate = nn.Linear(width, 2 * inner, weight_attr=initialized(config), bias_attr=bias)
        self.output = nn.Linear(inner, width, weight_attr=initialized(config), bias_attr=bias)
        self.layer_norm = Norm(config, kernels)


@final
class ModernBertLayer(CheckpointedLayer):
    """One layer; the last one ends with the encoder's final normalisation, so that copies of layers include it.

    Args:
        config: The backbone's config.
        kernels: The kernels of layer normalisation and dropout.
        number: The layer's number, from 0.
    """

    def __init__(self, config: ModernBertConfig, kernels: EncoderKernels, number: int) -> None:
        settings = LayerSettings(
            heads=config.num_attention_heads,
            activation=config.hidden_act,
            epsilon=config.layer_norm_eps,
            hidden_dropout=config.dropout_of_ffn,
            attention_dropout=config.attention_probs_dropout_prob,
        )
        super().__init__(settings, recompute=config.recompute)
        self.attention = RotaryAttentionPart(config, kernels, first=number == 0)
        self.ffn = GatedFeedForward(config, kernels)
        if number == config.num_hidden_layers - 1:
            self.final_layer_norm = Norm(config, kernels)
        self._kernels, self._local = kernels, config.is_local(number)
        self._first, self._last = number == 0, number == config.num_hidden_layers - 1

    def compute(
        self, hidden: Tensor, rows: Rows, settings: LayerSettings, added: Tensor | None, *shared: Tensor
    ) -> Tensor:
        del shared
        if not isinstance(rows, RotaryRows | PackedRotaryRows):
            raise TypeError("a layer of ModernBERT needs the rotations of its encoder")
        settings = replace(settings, bf16=settings.bf16 and self._kernels.name == "fused")
        hidden = hidden + self._attended(hidden, rows, settings, added)
        hidden = hidden + self._fed_forward(hidden, rows, settings)
        return self.final_layer_norm(hidden) if self._last else hidden

    def _attended(
        self,
        hidden: Tensor,
        rows: RotaryRows | PackedRotaryRows,
        settings: LayerSettings,
        added: Tensor | None,
    ) -> Tensor:
        part = self.attention
        normal = hidden if self._first else part.layer_norm(hidden)
        weight = part.qkv.weight if added is None else part.qkv.weight + added
        qkv = linear(normal, weight, part.qkv.bias, bf16=settings.bf16)  # [batch*seq 3*hidden]
        context = self._context(qkv, rows, settings)
        mapped = linear(context, part.output.weight, part.output.bias, bf16=settings.bf16)
        return self._kernels.dropout(mapped, settings.attention_dropout, before=_before(mapped, rows))

    def _context(self, qkv: Tensor, rows: RotaryRows | PackedRotaryRows, settings: LayerSettings) -> Tensor:
        if isinstance(rows, PackedRotaryRows):
            window = rows.rotation.window if self._local else None
            return fused.attention(qkv, rows, rows.local if self._local else rows.whole, window, settings)
        reach = rows.local if self._local else rows.whole
        return rotary.attention(qkv, reach, settings=settings, rows=rows, fused=self._kernels.name == "fused")

    def _fed_forward(self, hidden: Tensor, rows: RotaryRows | PackedRotaryRows, settings: LayerSettings) -> Tensor:
        part = self.ffn
        both = linear(part.layer_norm(hidden), part.intermediate.weight, part.intermediate.bias, bf16=settings.bf16)
        gated = self._gated(both, settings.activation)
        inner = self._kernels.dropout(gated, settings.hidden_dropout, before=_before(gated, rows))
        return linear(inner, part.output.weight, part.output.bias, bf16=settings.bf16)

    def _gated(self, both: Tensor, name: str) -> Tensor:
        """[rows 2*inner] → [rows inner]."""
        is_fused = self._kernels.name == "fused"
        if is_fused and fits(both) and name == "gelu":
            return fused.gated(both)
        value, gate = paddle.chunk(both, 2, axis=-1)
        return activation(value, name, fused=is_fused) * gate


def _before(values: Tensor, rows: Rows) -> int | None:
    """Rows before `values` in a batch that several processes share; None: those of a padded batch."""
    return tokens_before() if isinstance(rows, PackedRotaryRows) else None


class PredictionHead(nn.Layer):
    """The vector of a text: the first token or the mean of all, then what transformers has before its classifiers."""

    def __init__(self, config: ModernBertConfig, kernels: EncoderKernels) -> None:
        super().__init__()
        width, bias = config.hidden_size, None if config.classifier_bias else False
        self.dense = nn.Linear(width, width, weight_attr=initialized(config), bias_attr=bias)
        self.layer_norm = Norm(config, kernels)
        self._mean, self._activation = config.classifier_pooling == "mean", config.classifier_activation

    def forward(self, encoded: Tensor, input_mask: Tensor) -> Tensor:
        """[batch seq hidden] → [batch hidden]."""
        if self._mean:
            mask = input_mask.unsqueeze(-1)  # [batch seq 1]
            pooled = (encoded * mask).sum(axis=1) / mask.sum(axis=1)
        else:
            pooled = encoded[:, 0]
        inner = plain.activation(linear(pooled, self.dense.weight, self.dense.bias), self._activation)
        normal: Tensor = self.layer_norm(inner)
        return normal


@final
class ModernBertEncoder(LayeredEncoder):
    """The layers of `ModernBert`.

    Args:
        config: The backbone's config.
        kernels: The encoder's kernels; by default those that `config.kernels` selects.
    """

    def __init__(self, config: ModernBertConfig, *, kernels: EncoderKernels | None = None) -> None:
        chosen = kernels or choose_kernels(config.kernels)
        encoder = Encoder(lambda number: ModernBertLayer(config, chosen, number), config.num_hidden_layers)
        super().__init__(ModernBertEmbeddings(config, chosen), encoder, PredictionHead(config, chosen))
        size = config.hidden_size // config.num_attention_heads
        self._rotation = Rotation(size, *config.thetas, config.local_attention // 2)
        self._kernels = chosen

    def rows(self, inputs: Mapping[str, Tensor]) -> RotaryRows:
        batch, seq = inputs["token_ids"].shape
        return RotaryRows(batch, seq, padding_mask(inputs["input_mask"]), self._rotation)

    def packing_for(self, hidden: Tensor, rows: Rows) -> Packing | None:
        if isinstance(rows, RotaryRows) and self._kernels.name == "fused" and fused.computes_here(hidden):
            return RotaryPacking(rows)
        return None
