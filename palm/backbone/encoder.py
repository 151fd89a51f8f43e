"""The encoder of BERT and its kind as Paddle layers: embeddings, layers, pooler."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import paddle
from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute

from palm.backbone.embeddings import Embeddings, LayerNorm, initialized
from palm.backbone.scalar_mix import ScalarMix
from palm.backbone.shapes import BERT_FORM, EncoderForm
from palm.kernels import plain
from palm.kernels.choice import EncoderKernels, choose_kernels
from palm.kernels.contract import ComputeLayer, LayerSettings, LayerWeights, Rows
from palm.kernels.products import in_bf16
from palm.schema.fields import BackboneFields

# Added to the attention scores of padding, as in the original BERT: softmax is then exactly 0 in float32.
_PADDING_SCORE = -10000.0


class Attention(nn.Layer):
    """Parameters of self-attention: `qkv` computes queries, keys and values in one product."""

    def __init__(self, config: BackboneFields) -> None:
        super().__init__()
        width = config.hidden_size
        self.qkv = nn.Linear(width, 3 * width, weight_attr=initialized(config))
        self.output = nn.Linear(width, width, weight_attr=initialized(config))
        self.layer_norm = LayerNorm(config)


class FeedForward(nn.Layer):
    """Parameters of the feed-forward part."""

    def __init__(self, config: BackboneFields) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size or 4 * config.hidden_size
        self.intermediate = nn.Linear(width, inner, weight_attr=initialized(config))
        self.output = nn.Linear(inner, width, weight_attr=initialized(config))
        self.layer_norm = LayerNorm(config)


class EncoderLayer(nn.Layer):
    """One layer: it holds the parameters, and `compute` does the computation.

    Args:
        config: The backbone's config.
        compute: The function that computes the layer.
    """

    def __init__(self, config: BackboneFields, compute: ComputeLayer) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.ffn = FeedForward(config)
        self._compute = compute
        self._recompute = config.recompute
        self._settings = LayerSettings(
            heads=config.num_attention_heads,
            activation=config.hidden_act,
            epsilon=config.layer_norm_eps,
            hidden_dropout=config.hidden_dropout_prob,
            attention_dropout=config.attention_probs_dropout_prob,
        )

    def forward(self, hidden: Tensor, rows: Rows, added: Tensor | None = None) -> Tensor:
        """Next hidden states: [batch*seq hidden]; `added` [hidden 3*hidden] is added to the weight of `qkv`."""
        settings = self._settings if self.training else self._settings.without_dropout()
        if in_bf16():
            settings = replace(settings, bf16=True)
        # Above frozen layers Paddle's recompute would not notice that these weights need a gradient.
        if self._recompute and self.training and paddle.is_grad_enabled() and not hidden.stop_gradient:
            # What needs a gradient is an argument of its own; recompute does not look into `rows`.
            computed: Tensor = recompute(self._forward, hidden, replace(rows, bias=None), settings, added, rows.bias)
            return computed
        return self._forward(hidden, rows, settings, added, rows.bias)

    def _forward(
        self, hidden: Tensor, rows: Rows, settings: LayerSettings, added: Tensor | None, bias: Tensor | None
    ) -> Tensor:
        weights = self.weights()
        if added is not None:
            weights = replace(weights, qkv_weight=weights.qkv_weight + added)
        return self._compute(hidden, weights, settings=settings, rows=replace(rows, bias=bias))

    def weights(self) -> LayerWeights:
        """The parameters in the order of the computation."""
        attention, ffn = self.attention, self.ffn
        return LayerWeights(
            qkv_weight=attention.qkv.weight,
            qkv_bias=attention.qkv.bias,
            output_weight=attention.output.weight,
            output_bias=attention.output.bias,
            attention_norm_weight=attention.layer_norm.weight,
            attention_norm_bias=attention.layer_norm.bias,
            intermediate_weight=ffn.intermediate.weight,
            intermediate_bias=ffn.intermediate.bias,
            ffn_weight=ffn.output.weight,
            ffn_bias=ffn.output.bias,
            ffn_norm_weight=ffn.layer_norm.weight,
            ffn_norm_bias=ffn.layer_norm.bias,
        )


class Parts(Protocol):
    """A head's task-specific parts of the encoder: see `palm.backbone.adapters`."""

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """Yield the head's hidden states after each of `layers`, the lowest shared ones: [batch*seq hidden]."""
        ...


class Encoder(nn.Layer):
    """The stack of layers.

    Args:
        config: The backbone's config.
        compute: The function that computes a layer.
        groups: Number of different layers, each of which computes as many consecutive ones; None: each is its own.
    """

    layers: Iterable[nn.Layer]
    """In the order of the computation."""

    def __init__(self, config: BackboneFields, compute: ComputeLayer, groups: int | None = None) -> None:
        super().__init__()
        depth = config.num_hidden_layers
        if groups is None:
            self.layers = nn.LayerList([EncoderLayer(config, compute) for _ in range(depth)])
        else:
            self.groups = nn.LayerList([EncoderLayer(config, compute) for _ in range(groups)])
            self.layers = [self.groups[int(number / (depth / groups))] for number in range(depth)]

    def forward(self, hidden: Tensor, rows: Rows, last: int, parts: Parts | None = None) -> Tensor:
        """Output of layer number `last`; the layers above it are not run."""
        for output in self._outputs(hidden, rows, last, parts):
            hidden = output
        return hidden

    def mixed(self, hidden: Tensor, rows: Rows, mix: ScalarMix, parts: Parts | None = None) -> Tensor:
        """The mix of the outputs of the layers in `mix`; the layers above them are not run."""
        outputs = self._outputs(hidden, rows, mix.layers[-1], parts)
        mixed: Tensor = mix([output for number, output in enumerate(outputs) if number in mix.layers])
        return mixed

    def _outputs(self, hidden: Tensor, rows: Rows, last: int, parts: Parts | None) -> Iterator[Tensor]:
        layers = list(self.layers)[: last + 1]
        if parts is not None:
            yield from parts.outputs(layers, hidden, rows)
            return
        for layer in layers:
            hidden = layer(hidden, rows)
            yield hidden


class Pooler(nn.Layer):
    """A projection of the first token, with `activation` after it: `tanh` in BERT."""

    def __init__(self, config: BackboneFields, activation: str = "tanh") -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size, weight_attr=initialized(config))
        self._activation = activation

    def forward(self, encoded: Tensor) -> Tensor:
        """[batch seq hidden] → [batch hidden]."""
        return plain.activation(plain.linear(encoded[:, 0], self.dense.weight, self.dense.bias), self._activation)


class TransformerEncoder(nn.Layer):
    """The layers of `Bert`, `Ernie` and encoders of their kind.

    Args:
        config: The backbone's config.
        form: What tells the encoder from BERT's.
        kernels: The encoder's kernels; by default those that `config.kernels` selects.
    """

    def __init__(
        self, config: BackboneFields, *, form: EncoderForm = BERT_FORM, kernels: EncoderKernels | None = None
    ) -> None:
        super().__init__()
        chosen = kernels or choose_kernels(config.kernels)
        self.embeddings = Embeddings(config, chosen, form)
        self.encoder = Encoder(config, chosen.compute_layer, form.groups)
        self.pooler = Pooler(config, form.pooler)
        self._depth = config.num_hidden_layers

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        layer: int = -1,
        mix: ScalarMix | None = None,
        parts: Parts | None = None,
    ) -> dict[str, Tensor]:
        """Encode a batch.

        Args:
            inputs: `token_ids`, `position_ids` and, as the form says, `segment_ids` and `task_ids` int64[batch seq];
                `input_mask` float32[batch seq].
            layer: The encoder layer whose output feeds the head: 0 is the first, -1 the last.
            mix: Feeds the head with a mix of several layers instead.
            parts: The head's task-specific parts.
        """
        batch, seq = inputs["token_ids"].shape
        words, hidden = self.embeddings(inputs)
        rows = Rows(batch, seq, padding_mask(inputs["input_mask"]), self.embeddings.attention_bias(seq))
        if mix is None:
            hidden = self.encoder(hidden, rows, layer % self._depth, parts)
        else:
            hidden = self.encoder.mixed(hidden, rows, mix, parts)
        encoded = hidden.reshape([batch, seq, hidden.shape[-1]])  # [batch seq hidden]
        sentence = self.pooler(encoded)  # [batch hidden]
        return {
            "word_embedding": words,
            "embedding_table": self.embeddings.word_embeddings.weight,
            "encoder_outputs": encoded,
            "sentence_embedding": sentence,
            "sentence_pair_embedding": sentence,
        }


def padding_mask(input_mask: Tensor) -> Tensor | None:
    """Mask that is added to attention scores, float32[batch 1 1 seq]; None if no token is padding."""
    scores = ((1.0 - input_mask) * _PADDING_SCORE).unsqueeze([1, 2])
    nothing_padded = paddle.in_dynamic_mode() and not bool(scores.any())  # a static graph fits every batch
    return None if nothing_padded else scores
