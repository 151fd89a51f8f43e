"""The sum of word, position, segment and task embeddings, normalised; and the bias of relative positions."""

import math
from collections.abc import Mapping

import paddle
from paddle import ParamAttr, Tensor, nn

from palm.backbone.shapes import BERT_FORM, EncoderForm
from palm.backbone.word_embeddings import WordEmbeddings
from palm.kernels import plain
from palm.kernels.choice import EncoderKernels
from palm.runtime.paddle_versions import truncated_normal
from palm.schema.fields import BackboneFields

EMBEDDING_SHIFT = "embedding_shift"
"""Optional input that is added to the word embeddings: float32[batch seq hidden]."""


SOFT_IDS, SOFT_WORDS = "soft_ids", "soft_words"
"""Optional inputs: where vectors of a prompt replace word embeddings, int64[batch seq], 0 for tokens; and these
vectors, float32[batch seq emb]."""


def word_vectors(table: nn.Layer, inputs: Mapping[str, Tensor]) -> Tensor:
    """The word embeddings of `token_ids`, [batch seq emb], with what a task's prompt or a regulariser changes."""
    words: Tensor = table(inputs["token_ids"])
    if SOFT_WORDS in inputs:
        words = paddle.where((inputs[SOFT_IDS] > 0).unsqueeze(-1), inputs[SOFT_WORDS], words)
    if EMBEDDING_SHIFT in inputs:
        words = words + inputs[EMBEDDING_SHIFT]
    return words


def initialized(config: BackboneFields) -> ParamAttr:
    """Initial weights: normal with deviation `initializer_range`, truncated at two deviations as in BERT's code."""
    return ParamAttr(initializer=truncated_normal(config.initializer_range))


class LayerNorm(nn.LayerNorm):
    """Parameters of layer normalisation; Paddle's own class types them as optional."""

    weight: Tensor
    bias: Tensor

    def __init__(self, config: BackboneFields, width: int | None = None) -> None:
        super().__init__(width or config.hidden_size, epsilon=config.layer_norm_eps)


class Embeddings(nn.Layer):
    """Word, position and, as the form says, segment and task embeddings, with the bias of relative positions.

    Args:
        config: The backbone's config.
        kernels: The kernels of layer normalisation and dropout.
        form: The form of the encoder.
    """

    def __init__(self, config: BackboneFields, kernels: EncoderKernels, form: EncoderForm = BERT_FORM) -> None:
        super().__init__()
        width = form.embedding_size or config.hidden_size
        self.word_embeddings = WordEmbeddings(config.vocab_size, width, weight_attr=initialized(config))
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width, weight_attr=initialized(config))
        if form.segments and config.type_vocab_size:
            self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width, weight_attr=initialized(config))
        if form.task_types:
            self.task_type_embeddings = nn.Embedding(form.task_types, width, weight_attr=initialized(config))
        self.layer_norm = LayerNorm(config, width)
        if form.embedding_size:
            self.projection = nn.Linear(width, config.hidden_size, weight_attr=initialized(config))
        if form.buckets:
            heads = config.num_attention_heads
            self.relative_attention_bias = nn.Embedding(form.buckets, heads, weight_attr=initialized(config))
        self._kernels = kernels
        self._form = form
        self._segments = form.segments and config.type_vocab_size > 0
        self._epsilon = config.layer_norm_eps
        self._dropout = config.hidden_dropout_prob

    def forward(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The word embeddings, [batch seq emb], and the encoder's first input, [batch*seq hidden]."""
        words = word_vectors(self.word_embeddings, inputs)  # [batch seq emb]
        positions = inputs["position_ids"]
        total = words + self.position_embeddings(positions)
        if self._segments:
            given = inputs["segment_ids"] if self._form.segment_inputs else paddle.zeros_like(positions)
            total = total + self.token_type_embeddings(given)
        if self._form.task_types:
            total = total + self.task_type_embeddings(inputs["task_ids"])
        rows = paddle.flatten(total, 0, 1)  # [batch*seq emb]
        rows = self._kernels.layer_norm(rows, self.layer_norm.weight, self.layer_norm.bias, self._epsilon)
        rows = self._kernels.dropout(rows, self._dropout if self.training else 0.0)
        if self._form.embedding_size:
            rows = plain.linear(rows, self.projection.weight, self.projection.bias)  # [batch*seq hidden]
        return words, rows

    def attention_bias(self, seq: int) -> Tensor | None:
        """What relative positions add to the attention scores, float32[1 head seq seq]; None without them."""
        if not self._form.buckets:
            return None
        buckets = relative_buckets(seq, self._form.buckets)  # [seq seq]
        bias: Tensor = self.relative_attention_bias(buckets).transpose([2, 0, 1]).unsqueeze(0)
        return bias


def relative_buckets(seq: int, buckets: int, longest: int = 128) -> Tensor:
    """The bucket of the distance from each token to each other one: int64[seq seq].

    Half of the buckets are for tokens to the right; of each half, half are for one distance each, the others for
    ranges that grow with the logarithm, up to `longest`. Source: T5, arXiv:1910.10683, section 2.1.
    """
    places = paddle.arange(seq)
    distance = places.unsqueeze(0) - places.unsqueeze(1)  # [seq seq], to the right above 0
    half = buckets // 2
    exact = half // 2
    side = (distance > 0).astype("int64") * half
    distance = distance.abs()
    growth = paddle.log(distance.astype("float32").clip(min=1.0) / exact) / math.log(longest / exact)
    far = (exact + (growth * (half - exact)).astype("int64")).clip(max=half - 1)
    return side + paddle.where(distance < exact, distance, far)
