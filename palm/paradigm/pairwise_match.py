"""Pairwise text matching: a score for a pair of texts, higher for the text that matches than for one that does not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from pydantic import Field

from palm.data.dataset import Batch, Dataset, Record
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.comparison import ComparedOrder, compare_order
from palm.paradigm.hugging_face import ApiRow, one_label
from palm.paradigm.layers import (
    TextHeadFields,
    build_text_head,
    pooled_backbone_inputs,
    pooled_reader_inputs,
    text_head_form,
    text_logits,
)
from palm.paradigm.output_distance import squared_difference
from palm.schema.fields import BackboneFields, Float, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


class PairwiseMatchFields(TextHeadFields):
    """Keys of the paradigm `pairwise_match`."""

    margin: Float = Field(
        0.5,
        ge=0,
        le=1,
        description="How far the score of the text that matches, from 0 to 1, is to be above that of the other.",
    )


@final
@PARADIGMS.register("pairwise_match")
class PairwiseMatch(Paradigm):
    """One sigmoid score a pair of texts; hinge loss between the scores of a matching text and another.

    Source: PALM 2.0.2, `paddlepalm/head/match.py`, `learning_strategy="pairwise"`.
    """

    Config: ClassVar[type[ParadigmFields]] = PairwiseMatchFields
    answer_kind = "value"
    config: PairwiseMatchFields
    pipeline_tag: ClassVar[str | None] = "sentence-similarity"

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("accuracy",)

    def reader_inputs(self, phase: Phase) -> Specs:
        pairs = {} if phase == "predict" else {"pair_rows": Spec("batch pair", "int64")}
        return {**pooled_reader_inputs(self.config.pooling), **pairs}

    def backbone_inputs(self) -> Specs:
        return pooled_backbone_inputs(self.config.pooling, "sentence_pair_embedding")

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"probs": Spec("batch one" if phase == "predict" else "batch pair", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("pairwise_match", backbone.hidden_size, 1, *text_head_form(self.config))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_text_head(self.config, backbone.hidden_size, 1)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        import paddle
        from paddle.nn import functional

        scores = functional.sigmoid(text_logits(layers, inputs, self.config, "sentence_pair_embedding", phase))
        if phase == "predict":
            return {"probs": scores}  # [batch 1]
        rows = inputs["pair_rows"]
        return {"probs": paddle.gather(scores.squeeze(-1), rows.flatten()).reshape(rows.shape)}  # [batch pair]

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        """Mean of `max(0, margin - score + score of the other)` over the rows."""
        from paddle.nn import functional

        scores = outputs["probs"]
        return functional.relu(self.config.margin - scores[:, 0] + scores[:, 1]).mean()

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        return squared_difference(one, other)

    @property
    def incomparable(self) -> str | None:
        return "a score"

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        return [{"probs": row} for row in outputs["probs"]]

    def outputs_with_gold(self, outputs: Outputs, batch: Batch) -> Outputs:
        """The scores of each row's two texts side by side, [batch pair]."""
        return {"probs": outputs["probs"].reshape(-1)[batch["pair_rows"]]}

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "probs": score}` a record.

        Over rows with both texts also `label`: `1` where the text that matches has the higher score, else `0`.
        """
        return list(_predictions(outputs, dataset))

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedOrder | None:
        del records
        return compare_order(predictions, "probs")

    @property
    def uncalibrated(self) -> str | None:
        return "its scores, which a hinge loss trains, are no probabilities"

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """The score of the one label `match`."""
        return [one_label("match", prediction["probs"])]

    def similarity(self, prediction: Prediction) -> object:
        return prediction["probs"]


def _predictions(outputs: Sequence[Outputs], dataset: Dataset) -> Iterator[Prediction]:
    for index, output in zip(dataset.array("record"), outputs, strict=True):
        scores = np.asarray(output["probs"])
        in_order = {"label": str(int(scores[0] > scores[1]))} if len(scores) > 1 else {}
        yield {"index": int(index), "probs": float(scores[0]), **in_order}
