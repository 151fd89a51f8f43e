"""Multi-label classification: any number of labels per text or pair of texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np
from pydantic import Field

from palm.data.dataset import Batch, Dataset, LabelMap
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction, PseudoLabel
from palm.paradigm.decoding import check_classes, class_names, count_classes, split_logits
from palm.paradigm.layers import (
    TextHeadFields,
    build_text_head,
    pooled_backbone_inputs,
    pooled_reader_inputs,
    text_head_form,
    text_logits,
)
from palm.paradigm.output_distance import symmetric_kl_by_label
from palm.schema.fields import BackboneFields, ClassCountFields, Float, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


class MultiLabelFields(TextHeadFields, ClassCountFields):
    """Keys of the paradigm `multi_label`."""

    label_threshold: Float = Field(0.5, gt=0, lt=1, description="Smallest probability of a predicted label.")


@final
@PARADIGMS.register("multi_label")
class MultiLabel(Paradigm):
    """Pooling, dropout and a linear layer or an MLP; binary cross entropy, averaged over examples and labels."""

    Config: ClassVar[type[ParadigmFields]] = MultiLabelFields
    config: MultiLabelFields
    pipeline_tag: ClassVar[str | None] = "text-classification"

    def __init__(
        self, config: MultiLabelFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("label_set_f1",)

    def reader_inputs(self, phase: Phase) -> Specs:
        pooled = pooled_reader_inputs(self.config.pooling)
        return pooled if phase == "predict" else {**pooled, "label_sets": Spec("batch class", "float32")}

    def backbone_inputs(self) -> Specs:
        return pooled_backbone_inputs(self.config.pooling, "sentence_embedding")

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"logits": Spec("batch class", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("multi_label", backbone.hidden_size, self._count_classes(), *text_head_form(self.config))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_text_head(self.config, backbone.hidden_size, self._count_classes())

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        return {"logits": text_logits(layers, inputs, self.config, "sentence_embedding", phase)}  # [batch class]

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        from paddle.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs["logits"], inputs["label_sets"])

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        return split_logits(outputs)

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "labels": [..], "probs": {label: p}, "logits": [..]}` per record."""
        return list(self._predictions(outputs, dataset))

    def describe(self, prediction: Prediction) -> list[str]:
        """The labels with their probabilities."""
        probabilities = cast("Mapping[str, float]", prediction["probs"])
        labels = cast("Sequence[str]", prediction["labels"])
        return [f"{label}  {probabilities[label]:.3f}" for label in labels] or ["(no label)"]

    def pseudo_label(self, prediction: Prediction) -> PseudoLabel:
        """The set of labels; its probability is that of the least certain of all labels, whether in the set or not."""
        probabilities = cast("Mapping[str, float]", prediction["probs"])
        chosen = cast("Sequence[str]", prediction["labels"])
        certain = [each if name in chosen else 1.0 - each for name, each in probabilities.items()]
        return PseudoLabel(list(chosen), min(certain))

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """Each label is a separate distribution: half the sum of both divergences, averaged over all of them."""
        return symmetric_kl_by_label(one["logits"], other["logits"])

    def _predictions(self, outputs: Sequence[Outputs], dataset: Dataset) -> Iterator[Prediction]:
        names = class_names(self.labels, self._count_classes())
        for index, output in zip(dataset.array("record"), outputs, strict=True):
            logits = output["logits"]
            probabilities = 0.5 * (1.0 + np.tanh(0.5 * logits.astype("float64")))  # the sigmoid, without overflow
            yield {
                "index": int(index),
                "labels": [
                    name for name, p in zip(names, probabilities, strict=True) if p >= self.config.label_threshold
                ],
                "probs": dict(zip(names, probabilities.tolist(), strict=True)),
                "logits": logits.tolist(),
            }

    def _count_classes(self) -> int:
        return count_classes(self.config.n_classes, self.labels)
