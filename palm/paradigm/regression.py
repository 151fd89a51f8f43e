"""Regression: one number per text or pair of texts, such as their similarity."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

from palm.data.dataset import Batch, Dataset, Record
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.comparison import ComparedNumbers, compare_numbers
from palm.paradigm.hugging_face import ApiRow, one_label
from palm.paradigm.layers import (
    TextHeadFields,
    build_text_head,
    pooled_backbone_inputs,
    pooled_reader_inputs,
    text_head_form,
    text_logits,
)
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


class RegressionFields(TextHeadFields):
    """Keys of the paradigm `regression`."""


@final
@PARADIGMS.register("regression")
class Regression(Paradigm):
    """Pooling, dropout and a linear layer or an MLP with one output; mean squared error."""

    Config: ClassVar[type[ParadigmFields]] = RegressionFields
    config: RegressionFields
    squared_error = True
    pipeline_tag: ClassVar[str | None] = "text-classification"
    answer_kind = "value"

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("pearson", "spearman")

    def reader_inputs(self, phase: Phase) -> Specs:
        pooled = pooled_reader_inputs(self.config.pooling)
        return pooled if phase == "predict" else {**pooled, "label_values": Spec("batch", "float32")}

    def backbone_inputs(self) -> Specs:
        return pooled_backbone_inputs(self.config.pooling, "sentence_embedding")

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"values": Spec("batch", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("regression", backbone.hidden_size, 1, *text_head_form(self.config))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_text_head(self.config, backbone.hidden_size, 1)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        return {"values": text_logits(layers, inputs, self.config, "sentence_embedding", phase).squeeze(-1)}  # [batch]

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        squares: Tensor = (outputs["values"] - inputs["label_values"]) ** 2
        return squares.mean()

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        return [{"value": row} for row in outputs["values"].reshape(-1, 1)]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "value"}` per record."""
        rows = zip(dataset.array("record"), outputs, strict=True)
        return [{"index": int(index), "value": float(output["value"][0])} for index, output in rows]

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedNumbers:
        return compare_numbers(predictions, records)

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """The number as the score of the one label `value`, as of a classifier with a single output."""
        return [one_label("value", prediction["value"])]

    def similarity(self, prediction: Prediction) -> object:
        return prediction["value"]
