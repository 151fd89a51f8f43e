"""Multi-label classification: any number of labels per text or pair of texts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field

from palm.data.dataset import Batch, Dataset, LabelMap, Record
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction, PseudoLabel
from palm.paradigm.comparison import ComparedLabelSets, compare_label_sets
from palm.paradigm.decoding import (
    check_classes,
    class_names,
    count_classes,
    decode_label_sets,
    describe_label_set,
    pseudo_label_set,
    split_logits,
)
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
        names = class_names(self.labels, self._count_classes())
        return decode_label_sets(outputs, dataset, names, self.config.label_threshold, self.temperature)

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedLabelSets:
        return compare_label_sets(predictions, records, class_names(self.labels, self._count_classes()))

    @property
    def uncalibrated(self) -> str | None:
        return None

    def describe(self, prediction: Prediction) -> list[str]:
        """The labels with their probabilities."""
        return describe_label_set(prediction)

    def pseudo_label(self, prediction: Prediction) -> PseudoLabel:
        return pseudo_label_set(prediction)

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """Each label is a separate distribution: half the sum of both divergences, averaged over all of them."""
        return symmetric_kl_by_label(one["logits"], other["logits"])

    def _count_classes(self) -> int:
        return count_classes(self.config.n_classes, self.labels)
