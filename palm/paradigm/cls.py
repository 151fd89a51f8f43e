"""Text classification: one label per text."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

from palm.data.dataset import Batch, Dataset, LabelMap
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction, TransformersHead
from palm.paradigm.decoding import check_classes, count_classes, decode_classes, split_logits
from palm.paradigm.layers import (
    TextHeadFields,
    build_text_head,
    pooled_backbone_inputs,
    pooled_reader_inputs,
    text_head_form,
    text_logits,
)
from palm.paradigm.losses import ClassLossFields, class_loss, weight_of_labels, weights_by_class
from palm.schema.fields import BackboneFields, ClassCountFields, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


class TextClassFields(TextHeadFields, ClassLossFields, ClassCountFields):
    """Keys of a paradigm that chooses one of some classes."""


class TextClass(Paradigm):
    """One class per example: pooling, dropout and a linear layer or an MLP; cross entropy."""

    name: ClassVar[str]
    """The paradigm's registered name."""
    embedding: ClassVar[str]
    """The backbone's output for an example if `pooling` is `cls`."""
    config: TextClassFields
    pipeline_tag: ClassVar[str | None] = "text-classification"

    def __init__(
        self, config: TextClassFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)
        self._weights = weights_by_class(config, labels, config.n_classes)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("accuracy", "macro_f1")

    def reader_inputs(self, phase: Phase) -> Specs:
        pooled = pooled_reader_inputs(self.config.pooling)
        return pooled if phase == "predict" else {**pooled, "label_ids": Spec("batch", "int64")}

    def backbone_inputs(self) -> Specs:
        return pooled_backbone_inputs(self.config.pooling, self.embedding)

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"logits": Spec("batch class", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return (self.name, backbone.hidden_size, self.count_classes(), *text_head_form(self.config))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_text_head(self.config, backbone.hidden_size, self.count_classes())

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        return {"logits": text_logits(layers, inputs, self.config, self.embedding, phase)}  # [batch class]

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        return class_loss(outputs["logits"], inputs["label_ids"], self.config, self._weights)

    def loss_weight(self, batch: Batch, examples: int) -> float:
        del examples
        return weight_of_labels(batch["label_ids"], self._weights)

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        return split_logits(outputs)

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "label", "probs": {label: p}, "logits": [..]}` per record."""
        return decode_classes(outputs, dataset, self.labels, self.temperature)

    @property
    def uncalibrated(self) -> str | None:
        return None

    @property
    def transformers_head(self) -> TransformersHead | None:
        # Its classifiers use the first token's embedding.
        plain = self.config.pooling == "cls" and not text_head_form(self.config)
        return TransformersHead("ForSequenceClassification") if plain else None

    @abstractmethod
    def count_classes(self) -> int:
        """The number of classes."""


class ClassificationFields(TextClassFields):
    """Keys of the paradigm `cls`."""


@final
@PARADIGMS.register("cls")
class Classification(TextClass):
    """One label per text.

    Raises:
        ConfigError: Neither n_classes nor labels determine the number of classes.
    """

    Config: ClassVar[type[ParadigmFields]] = ClassificationFields
    name = "cls"
    embedding = "sentence_embedding"

    def count_classes(self) -> int:
        return count_classes(self.config.n_classes, self.labels)
