"""The sum of word, position, segment and task embeddings, normalised."""

from collections.abc import Mapping

import paddle
from paddle import ParamAttr, Tensor, nn

from palm.kernels.choice import EncoderKernels
from palm.schema.fields import BackboneFields

EMBEDDING_SHIFT = "embedding_shift"
"""Optional input that is added to the word embeddings: float32[batch seq hidden]."""


def initialized(config: BackboneFields) -> ParamAttr:
    """Initial weights: normal with deviation `initializer_range`, truncated at two deviations as in BERT's code."""
    deviation = config.initializer_range
    return ParamAttr(initializer=nn.initializer.TruncatedNormal(0.0, deviation, -2 * deviation, 2 * deviation))


class LayerNorm(nn.LayerNorm):
    """Parameters of layer normalisation; Paddle's own class types them as optional."""

    weight: Tensor
    bias: Tensor

    def __init__(self, config: BackboneFields) -> None:
        super().__init__(config.hidden_size, epsilon=config.layer_norm_eps)


class Embeddings(nn.Layer):
    """Word, position, segment and, if `task_types` is not 0, task embeddings.

    Args:
        config: The backbone's config.
        kernels: The kernels of layer normalisation and dropout.
        task_types: Number of task ids; 0 for a backbone without them.
    """

    def __init__(self, config: BackboneFields, kernels: EncoderKernels, task_types: int = 0) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, weight_attr=initialized(config))
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width, weight_attr=initialized(config))
        if config.type_vocab_size:
            self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width, weight_attr=initialized(config))
        if task_types:
            self.task_type_embeddings = nn.Embedding(task_types, width, weight_attr=initialized(config))
        self.layer_norm = LayerNorm(config)
        self._kernels = kernels
        self._segments, self._task_types = config.type_vocab_size, task_types
        self._epsilon = config.layer_norm_eps
        self._dropout = config.hidden_dropout_prob

    def forward(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The word embeddings, [batch seq hidden], and the encoder's first input, [batch*seq hidden]."""
        words = self.word_embeddings(inputs["token_ids"])  # [batch seq hidden]
        if EMBEDDING_SHIFT in inputs:
            words = words + inputs[EMBEDDING_SHIFT]
        total = words + self.position_embeddings(inputs["position_ids"])
        if self._segments:
            total = total + self.token_type_embeddings(inputs["segment_ids"])
        if self._task_types:
            total = total + self.task_type_embeddings(inputs["task_ids"])
        rows = paddle.flatten(total, 0, 1)  # [batch*seq hidden]
        rows = self._kernels.layer_norm(rows, self.layer_norm.weight, self.layer_norm.bias, self._epsilon)
        return words, self._kernels.dropout(rows, self._dropout if self.training else 0.0)
