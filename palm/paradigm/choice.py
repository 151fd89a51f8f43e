"""Multiple choice and ranking: selects one of several candidates for a text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np

from palm.data.dataset import Batch, Dataset, Record
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.comparison import ComparedCandidates
from palm.paradigm.decoding import softmax
from palm.paradigm.hugging_face import ApiRow, one_label
from palm.paradigm.layers import (
    TextHeadFields,
    build_text_head,
    pooled_backbone_inputs,
    pooled_reader_inputs,
    text_head_form,
    text_logits,
)
from palm.paradigm.losses import mean_cross_entropy
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

_MASKED = -1e9  # logit of a missing candidate: its probability is exactly 0 in float32


class ChoiceFields(TextHeadFields):
    """Keys of the paradigm `choice`."""


@final
@PARADIGMS.register("choice")
class Choice(Paradigm):
    """One score per candidate; cross entropy over the candidates of each example."""

    Config: ClassVar[type[ParadigmFields]] = ChoiceFields
    answer_kind = "choice"
    config: ChoiceFields
    pipeline_tag: ClassVar[str | None] = "multiple-choice"

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("accuracy", "mrr")

    def reader_inputs(self, phase: Phase) -> Specs:
        owners = {"choice_rows": Spec("batch choice", "int64"), "choice_mask": Spec("batch choice", "float32")}
        gold = {} if phase == "predict" else {"label_ids": Spec("batch", "int64")}
        return {**pooled_reader_inputs(self.config.pooling), **owners, **gold}

    def backbone_inputs(self) -> Specs:
        return pooled_backbone_inputs(self.config.pooling, "sentence_pair_embedding")

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"logits": Spec("batch choice", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("choice", backbone.hidden_size, 1, *text_head_form(self.config))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        # Without a bias, which would be the same for every candidate.
        return build_text_head(self.config, backbone.hidden_size, 1, bias=False)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        import paddle

        scores = text_logits(layers, inputs, self.config, "sentence_pair_embedding", phase).squeeze(-1)  # [row]
        rows = inputs["choice_rows"]
        logits = paddle.gather(scores, rows.flatten()).reshape(rows.shape)  # [batch choice]
        return {"logits": logits + (1.0 - inputs["choice_mask"]) * _MASKED}

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        return mean_cross_entropy(outputs["logits"], inputs["label_ids"])

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        counts = batch["choice_mask"].sum(axis=1).astype("int64")
        return [{"logits": row[:count]} for row, count in zip(outputs["logits"], counts, strict=True)]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "label", "choice", "ranking": [..], "probs": [..], "logits": [..]}` per record.

        `label` is the index of the best candidate, as text, and `ranking` the indices of all, best first.
        """
        return list(_predictions(outputs, dataset, self.temperature))

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedCandidates:
        return ComparedCandidates(
            [cast("Sequence[str]", record["choices"]) for record in records],
            [int(str(record["label"])) for record in records],
            [int(str(prediction["label"])) for prediction in predictions],
            [np.array(prediction["logits"], "float64") for prediction in predictions],
        )

    @property
    def uncalibrated(self) -> str | None:
        return None

    def describe(self, prediction: Prediction) -> list[str]:
        """The best candidate with its probability."""
        return [f"{prediction['choice']}  {max(cast('Sequence[float]', prediction['probs'])):.3f}"]

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """The candidates as labels, best first."""
        choices, probs = cast("Sequence[str]", prediction["choices"]), cast("Sequence[float]", prediction["probs"])
        ranking = cast("Sequence[int]", prediction["ranking"])[: row.top_k]
        return [one_label(choices[number], probs[number]) for number in ranking]


def _predictions(outputs: Sequence[Outputs], dataset: Dataset, temperature: float) -> Iterator[Prediction]:
    for index, output in zip(dataset.array("record"), outputs, strict=True):
        logits = output["logits"]
        ranking = np.argsort(-logits, kind="stable").tolist()
        choices = cast("Sequence[str]", dataset.records[index]["choices"])
        yield {
            "index": int(index),
            "label": str(ranking[0]),
            "choice": choices[ranking[0]],
            "ranking": ranking,
            "probs": softmax(logits / temperature).tolist(),
            "logits": logits.tolist(),
        }
