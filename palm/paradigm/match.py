"""Text matching: one label a pair of texts, by default whether they match."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field

from palm.config.fields import BackboneFields, Int, ParadigmFields
from palm.dataset import Batch, Dataset, LabelMap
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.classes import check_classes, count_classes, decode_classes, split_logits
from palm.paradigm.cross_entropy import mean_cross_entropy
from palm.paradigm.linear_head import build_linear_head, project
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


class MatchFields(ParadigmFields):
    """Keys of the paradigm `match`."""

    n_classes: Int | None = Field(
        None, ge=1, description="Number of classes; when unset, as many as the training file has."
    )


@final
@PARADIGMS.register("match")
class Match(Paradigm):
    """Dropout and a linear layer on the embedding of the sentence pair; cross entropy.

    There are two classes where neither n_classes nor the labels say otherwise.
    """

    Config: ClassVar[type[ParadigmFields]] = MatchFields
    config: MatchFields

    def __init__(
        self, config: MatchFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("accuracy", "macro_f1")

    def reader_inputs(self, phase: Phase) -> Specs:
        return {} if phase == "predict" else {"label_ids": Spec("batch", "int64")}

    def backbone_inputs(self) -> Specs:
        return {"sentence_pair_embedding": Spec("batch hidden", "float32")}

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"logits": Spec("batch class", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("match", backbone.hidden_size, self._count_classes())

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_linear_head(backbone.hidden_size, self._count_classes(), self.config.initializer_range)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        dropout = self.config.dropout_prob if phase == "train" else 0.0
        return {"logits": project(layers, inputs["sentence_pair_embedding"], dropout)}  # [batch class]

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        return mean_cross_entropy(outputs["logits"], inputs["label_ids"])

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        return split_logits(outputs)

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "label", "probs": {label: p}, "logits": [..]}` a record."""
        return decode_classes(outputs, dataset, self.labels)

    def _count_classes(self) -> int:
        known = self.config.n_classes is not None or self.labels is not None
        return count_classes(self.config.n_classes, self.labels) if known else 2
