"""Heads that score the candidates of a text, each of which is a sequence of its own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from palm.data.dataset import Batch
from palm.paradigm.base import Outputs, Paradigm, Prediction
from palm.paradigm.hugging_face import AnswerKind, ApiRow, one_label
from palm.paradigm.layers import (
    TextHeadFields,
    build_text_head,
    pooled_backbone_inputs,
    pooled_reader_inputs,
    text_head_form,
    text_logits,
)
from palm.schema.fields import BackboneFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

MASKED = -1e9
"""Logit of a missing candidate: its probability is exactly 0 in float32."""


class CandidateScores(Paradigm):
    """One score per candidate. Subclasses say what is gold, and how it is compared with the scores."""

    answer_kind: ClassVar[AnswerKind] = "choice"
    config: TextHeadFields
    gold_specs: ClassVar[Specs]
    """The gold columns of a batch."""

    def reader_inputs(self, phase: Phase) -> Specs:
        owners = {"choice_rows": Spec("batch choice", "int64"), "choice_mask": Spec("batch choice", "float32")}
        gold = {} if phase == "predict" else self.gold_specs
        return {**pooled_reader_inputs(self.config.pooling), **owners, **gold}

    def backbone_inputs(self) -> Specs:
        return pooled_backbone_inputs(self.config.pooling, "sentence_pair_embedding")

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"logits": Spec("batch choice", "float32")}

    def score_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        """The sizes of the parameters, for `head_shape`."""
        return (backbone.hidden_size, 1, *text_head_form(self.config))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        # Without a bias, which would be the same for every candidate.
        return build_text_head(self.config, backbone.hidden_size, 1, bias=False)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        import paddle

        scores = text_logits(layers, inputs, self.config, "sentence_pair_embedding", phase).squeeze(-1)  # [row]
        rows = inputs["choice_rows"]
        logits = paddle.gather(scores, rows.flatten()).reshape(rows.shape)  # [batch choice]
        return {"logits": logits + (1.0 - inputs["choice_mask"]) * MASKED}

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        counts = batch["choice_mask"].sum(axis=1).astype("int64")
        return [{"logits": row[:count]} for row, count in zip(outputs["logits"], counts, strict=True)]

    def describe(self, prediction: Prediction) -> list[str]:
        """The best candidate with its probability."""
        return [f"{prediction['choice']}  {max(cast('Sequence[float]', prediction['probs'])):.3f}"]

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """The candidates as labels, best first."""
        choices, probs = cast("Sequence[str]", prediction["choices"]), cast("Sequence[float]", prediction["probs"])
        ranking = cast("Sequence[int]", prediction["ranking"])[: row.top_k]
        return [one_label(choices[number], probs[number]) for number in ranking]


def ranked(logits: np.ndarray) -> list[int]:
    """The numbers of the candidates, best first; of equal ones in their order."""
    ranking: list[int] = np.argsort(-logits, kind="stable").tolist()
    return ranking
