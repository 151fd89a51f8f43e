"""Embeddings of texts: what the paradigms have in common whose head is a vector for each text."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from palm.paradigm.base import Paradigm
from palm.paradigm.layers import Pooling, PoolingFields, add_pooling, pool, pooled_backbone_inputs, pooled_reader_inputs
from palm.schema.facts import Key
from palm.schema.fields import BackboneFields, Float
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

EMBEDDINGS = "embeddings"
"""The output with a vector for each text, not normalised: float32[batch hidden]."""


class EmbeddingFields(PoolingFields):
    """Keys of paradigms that embed texts."""

    dropout_prob: Float = Field(0.0, ge=0, lt=1, description="Dropout before the head.")
    pooling: Pooling = Field("mean", description=str(PoolingFields.model_fields["pooling"].description))
    with_embedding: Annotated[bool, Key(changes="nothing")] = Field(
        False, description="Predictions contain the embedding of each text, of length 1, as a list of numbers."
    )


class Embedding(Paradigm):
    """A vector for each text: pooling over the encoder's outputs."""

    config: EmbeddingFields

    def backbone_inputs(self) -> Specs:
        return pooled_backbone_inputs(self.config.pooling, "sentence_embedding")

    def reader_inputs(self, phase: Phase) -> Specs:
        pooled = pooled_reader_inputs(self.config.pooling)
        return pooled if phase == "predict" else {**pooled, **self.gold_inputs()}

    def outputs_attr(self, phase: Phase) -> Specs:
        return {EMBEDDINGS: Spec("batch hidden", "float32")}

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        """The parameters of pooling, if it has any."""
        from paddle import nn

        layers = nn.LayerDict()
        add_pooling(layers, self.config.pooling, backbone.hidden_size, self.config.initializer_range)
        return layers

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        from palm.kernels import plain

        pooled = pool(layers, inputs, self.config.pooling, "sentence_embedding")  # [batch hidden]
        return {EMBEDDINGS: plain.dropout(pooled, self.config.dropout_prob) if phase == "train" else pooled}

    @property
    def incomparable(self) -> str | None:
        return "a cosine"

    @abstractmethod
    def gold_inputs(self) -> Specs:
        """The inputs of `loss` from the reader's batch, besides those of `forward`."""

    def pooling_form(self) -> tuple[object, ...]:
        """What its parameters have besides those of the mean; empty if nothing."""
        return ("attention",) if self.config.pooling == "attention" else ()


def of_unit_length(vectors: np.ndarray) -> np.ndarray:
    """`vectors` [... hidden] divided by their lengths, float64; a vector of zeros stays one."""
    exact = vectors.astype("float64")
    found: np.ndarray = exact / np.maximum(np.linalg.norm(exact, axis=-1, keepdims=True), 1e-12)
    return found
