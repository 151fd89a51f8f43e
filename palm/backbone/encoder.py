"""Encoders as Paddle layers: embeddings, a stack of layers, a pooler; here those of BERT and its kind."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Protocol, final

import paddle
from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute

from palm.backbone.embeddings import Embeddings, LayerNorm, initialized
from palm.backbone.scalar_mix import ScalarMix
from palm.backbone.shapes import BERT_FORM, EncoderForm
from palm.backbone.word_embeddings import WordEmbeddings
from palm.kernels import plain
from palm.kernels.batch_position import keeping_position
from palm.kernels.choice import EncoderKernels, choose_kernels
from palm.kernels.contract import ComputeLayer, LayerSettings, LayerWeights, Rows
from palm.kernels.fused.layer import ACTIVATIONS
from palm.kernels.fused.packing import Packing
from palm.kernels.products import Int8UnavailableError, in_bf16, in_int8
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


class CheckpointedLayer(nn.Layer):
    """An encoder layer: dropout in training alone, bfloat16 in mixed precision, and recomputation if asked for.

    Args:
        settings: Those of training.
        recompute: Whether the backward pass computes the layer once more instead of keeping what it needs.
    """

    def __init__(self, settings: LayerSettings, *, recompute: bool) -> None:
        super().__init__()
        self.settings = settings
        self._recompute = recompute

    @abstractmethod
    def compute(
        self, hidden: Tensor, rows: Rows, settings: LayerSettings, added: Tensor | None, *shared: Tensor
    ) -> Tensor:
        """Next hidden states; see `forward`. `shared` are the tensors of `rows` that have a gradient."""

    def forward(self, hidden: Tensor, rows: Rows, added: Tensor | None = None) -> Tensor:
        """Next hidden states: [batch*seq hidden]; `added` [hidden 3*hidden] is added to the weight of `qkv`."""
        settings = self.settings if self.training else self.settings.without_dropout()
        if in_bf16():
            settings = replace(settings, bf16=True)
        # Above frozen layers Paddle's recompute would not notice that these weights need a gradient.
        if self._recompute and self.training and paddle.is_grad_enabled() and not hidden.stop_gradient:
            computed: Tensor = recompute(keeping_position(self.compute), hidden, rows, settings, added, *rows.shared())
            return computed
        return self.compute(hidden, rows, settings, added, *rows.shared())


@final
class EncoderLayer(CheckpointedLayer):
    """A layer of BERT: it holds the parameters, and the function `compute_layer` does the computation.

    Args:
        config: The backbone's config.
        compute_layer: The function that computes the layer.
    """

    def __init__(self, config: BackboneFields, compute_layer: ComputeLayer) -> None:
        settings = LayerSettings(
            heads=config.num_attention_heads,
            activation=config.hidden_act,
            epsilon=config.layer_norm_eps,
            hidden_dropout=config.hidden_dropout_prob,
            attention_dropout=config.attention_probs_dropout_prob,
        )
        super().__init__(settings, recompute=config.recompute)
        self.attention = Attention(config)
        self.ffn = FeedForward(config)
        self._compute_layer = compute_layer

    def compute(
        self, hidden: Tensor, rows: Rows, settings: LayerSettings, added: Tensor | None, *shared: Tensor
    ) -> Tensor:
        weights = self.weights()
        if added is not None:
            weights = replace(weights, qkv_weight=weights.qkv_weight + added)
        rows = rows.with_shared(shared)
        compute = self._compute_layer if rows.prefix is None else plain.compute_layer
        return compute(hidden, weights, settings=settings, rows=rows)

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
    """A head's task-specific parts of the encoder: see `palm.backbone.adapters`, `palm.backbone.soft_prompt`."""

    PADDED: ClassVar[bool]
    """Whether they need sequences of one length, so that padding is not removed."""

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """Yield the head's hidden states after each of `layers`, the lowest shared ones: [batch*seq hidden]."""
        ...


BuildLayer = Callable[[int], nn.Layer]
"""Builds the encoder layer with a number, counted from 0: a layer with `forward(hidden, rows, added=None)`."""


class Encoder(nn.Layer):
    """The stack of layers.

    Args:
        build_layer: Builds one; task-specific copies of layers are built by it, too.
        depth: Number of layers.
        groups: Number of different layers, each of which computes as many consecutive ones; None: each is its own.
    """

    layers: Sequence[nn.Layer] | nn.LayerList
    """In the order of the computation."""

    def __init__(self, build_layer: BuildLayer, depth: int, groups: int | None = None) -> None:
        super().__init__()
        self.build_layer = build_layer
        if groups is None:
            self.layers = nn.LayerList([build_layer(number) for number in range(depth)])
        else:
            self.groups = nn.LayerList([build_layer(number) for number in range(groups)])
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
        self._activation = activation
        self.dense = nn.Linear(config.hidden_size, config.hidden_size, weight_attr=initialized(config))

    def forward(self, encoded: Tensor, input_mask: Tensor) -> Tensor:
        """[batch seq hidden] → [batch hidden]."""
        del input_mask  # the first token is never padding
        return plain.activation(plain.linear(encoded[:, 0], self.dense.weight, self.dense.bias), self._activation)


class LayeredEncoder(nn.Layer):
    """What every encoder of PALM is made of.

    Args:
        embeddings: From the inputs to the word embeddings [batch seq emb] and the first hidden states
            [batch*seq hidden]; the word embeddings' table is its `word_embeddings`.
        encoder: The layers.
        pooler: From hidden states [batch seq hidden] and `input_mask` to one vector per text [batch hidden].
    """

    def __init__(self, embeddings: nn.Layer, encoder: Encoder, pooler: nn.Layer) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.encoder = encoder
        self.pooler = pooler

    @abstractmethod
    def rows(self, inputs: Mapping[str, Tensor]) -> Rows:
        """How the batch's tokens form sequences, and what its layers share."""

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        layer: int = -1,
        mix: ScalarMix | None = None,
        parts: Parts | None = None,
    ) -> dict[str, Tensor]:
        """Encode a batch.

        Args:
            inputs: Those that the backbone declares: ids int64[batch seq], `input_mask` float32[batch seq].
            layer: The encoder layer whose output feeds the head: 0 is the first, -1 the last.
            mix: Feeds the head with a mix of several layers instead.
            parts: The head's task-specific parts.
        """
        words, hidden = self.embeddings(inputs)
        rows = self.rows(inputs)
        hidden = self._encoded(hidden, rows, layer % len(self.encoder.layers) if mix is None else mix, parts)
        encoded = hidden.reshape([rows.batch, rows.seq, hidden.shape[-1]])  # [batch seq hidden]
        sentence = self.pooler(encoded, inputs["input_mask"])  # [batch hidden]
        found = {
            "word_embedding": words,
            "encoder_outputs": encoded,
            "sentence_embedding": sentence,
            "sentence_pair_embedding": sentence,
        }
        table = self.embeddings.word_embeddings
        # No head asks for it where steps read the rows of their batch alone: see `palm.training.run.reads_whole_table`.
        if isinstance(table, WordEmbeddings) and table.by_rows:
            return found
        return found | {"embedding_table": table.weight}

    def packing_for(self, hidden: Tensor, rows: Rows) -> Packing | None:
        """How the batch is packed for all layers; None if these compute padded rows."""
        del hidden, rows
        return None

    def _encoded(self, hidden: Tensor, rows: Rows, wanted: int | ScalarMix, parts: Parts | None) -> Tensor:
        """Hidden states [batch*seq hidden]: of one layer, or a mix of several.

        Raises:
            Int8UnavailableError: They are to be computed in 8-bit integers, which only whole encoders are.
        """
        if in_int8():
            raise Int8UnavailableError("its layers are not computed in one call on this machine")
        packing = None if parts is not None and parts.PADDED else self.packing_for(hidden, rows)
        if packing is not None:
            hidden, rows = packing.pack(hidden), packing.rows
        if isinstance(wanted, int):
            hidden = self.encoder(hidden, rows, wanted, parts)
        else:
            hidden = self.encoder.mixed(hidden, rows, wanted, parts)
        return hidden if packing is None else packing.unpack(hidden)


@final
class TransformerEncoder(LayeredEncoder):
    """The layers of `Bert`, `Ernie` and encoders of their kind.

    Args:
        config: The backbone's config.
        form: What tells the encoder from BERT's.
        kernels: The encoder's kernels; by default those that `config.kernels` selects.
    """

    def __init__(
        self, config: BackboneFields, *, form: EncoderForm = BERT_FORM, kernels: EncoderKernels | None = None
    ) -> None:
        chosen = kernels or choose_kernels(config.kernels)
        embeddings = Embeddings(config, chosen, form)
        depth, groups = config.num_hidden_layers, form.groups
        encoder = Encoder(lambda _: EncoderLayer(config, chosen.compute_layer), depth, groups)
        super().__init__(embeddings, encoder, Pooler(config, form.pooler))
        self._attention_bias = embeddings.attention_bias
        self._kernels = chosen
        build = chosen.encoder_call
        self._one_call = None if build is None else build(encoder.layers[0].settings, self._weights)
        self._activation = config.hidden_act

    def packing_for(self, hidden: Tensor, rows: Rows) -> Packing | None:
        fits = rows.bias is None and self._activation in ACTIVATIONS
        return self._kernels.packing_for(hidden, rows) if fits else None

    def _encoded(self, hidden: Tensor, rows: Rows, wanted: int | ScalarMix, parts: Parts | None) -> Tensor:
        if self._one_call is None:
            return super()._encoded(hidden, rows, wanted, parts)
        if self.training:
            self._one_call.forget_weights()
        elif isinstance(wanted, int) and parts is None and self._one_call.computes(hidden, rows):
            return self._one_call(hidden, rows, wanted + 1)
        return super()._encoded(hidden, rows, wanted, parts)

    def _weights(self) -> list[LayerWeights]:
        return [layer.weights() for layer in self.encoder.layers]

    def rows(self, inputs: Mapping[str, Tensor]) -> Rows:
        batch, seq = inputs["token_ids"].shape
        return Rows(batch, seq, padding_mask(inputs["input_mask"]), bias=self._attention_bias(seq))


def padding_mask(input_mask: Tensor) -> Tensor | None:
    """Mask that is added to attention scores, float32[batch 1 1 seq]; None if no token is padding."""
    scores = ((1.0 - input_mask) * _PADDING_SCORE).unsqueeze([1, 2])
    nothing_padded = paddle.in_dynamic_mode() and not bool(scores.any())  # a static graph fits every batch
    return None if nothing_padded else scores
