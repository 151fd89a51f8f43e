"""Machine reading comprehension: extracts the answer to a question as a span of its context."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, cast, final

import numpy as np
from pydantic import Field

from palm.data.dataset import UNLABELLED, Batch, Dataset, IntArray, Record
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction, TransformersHead
from palm.paradigm.comparison import ComparedAnswers
from palm.paradigm.decoding import examples_by_record
from palm.paradigm.hugging_face import ApiRow, one_answer
from palm.paradigm.layers import build_linear_head, project
from palm.paradigm.losses import mean_cross_entropy
from palm.paradigm.mrc_answers import Limits, WindowLogits, rank_answers
from palm.schema.facts import Key, when
from palm.schema.fields import BackboneFields, Float, Int, ParadigmFields
from palm.spec import Phase, Spec, Specs
from palm.storage.layout import PREDICTIONS_FILE

if TYPE_CHECKING:
    from paddle import Tensor, nn

NBEST_FILE = "nbest_predictions.json"
NULL_ODDS_FILE = "null_odds.json"
MASKED = -1e9
"""Logit of a padding position: its probability is exactly 0 in float32."""


class SpanExtractionFields(ParadigmFields):
    """Keys of the paradigm `mrc`."""

    dropout_prob: Float = Field(0.0, ge=0, lt=1, description="Dropout before the head.")
    for_cn: Annotated[bool, Key(export="fixed")] = Field(
        False, description="Chinese mode: answers and tags are handled by character."
    )
    max_answer_len: Int = Field(30, ge=1, description="Longest predicted answer in tokens.")
    n_best_size: Int = Field(
        20, ge=1, description="Number of different answers per question after merging its windows."
    )
    with_negative: bool = Field(False, description="Questions may have no answer (SQuAD 2.0).")
    null_score_diff_threshold: Annotated[Float, Key(read=(when(with_negative=True),))] = Field(
        0.0, description="Predict no answer if its score exceeds the best answer's by more than this."
    )


@final
@PARADIGMS.register("mrc")
class SpanExtraction(Paradigm):
    """A linear layer gives each token two logits, for the answer's start and end; mean of the two cross entropies."""

    Config: ClassVar[type[ParadigmFields]] = SpanExtractionFields
    decode_columns: ClassVar[tuple[str, ...]] = ("context_start", "context_end", "is_max_context")
    extra_files: ClassVar[tuple[str, ...]] = (NBEST_FILE, NULL_ODDS_FILE)
    answer_kind = "answer"
    config: SpanExtractionFields
    pipeline_tag: ClassVar[str | None] = "question-answering"

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("squad_zh",) if self.config.for_cn else ("squad",)

    def reader_inputs(self, phase: Phase) -> Specs:
        mask = {"input_mask": Spec("batch seq", "float32")}
        gold = {"start_positions": Spec("batch", "int64"), "end_positions": Spec("batch", "int64")}
        return mask if phase == "predict" else mask | gold

    def backbone_inputs(self) -> Specs:
        return {"encoder_outputs": Spec("batch seq hidden", "float32")}

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"start_logits": Spec("batch seq", "float32"), "end_logits": Spec("batch seq", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("mrc", backbone.hidden_size, 2)

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_linear_head(backbone.hidden_size, 2, self.config.initializer_range)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        dropout = self.config.dropout_prob if phase == "train" else 0.0
        logits = project(layers, inputs["encoder_outputs"], dropout)  # [batch seq 2]
        padding = (1.0 - inputs["input_mask"]) * MASKED  # [batch seq]
        return {"start_logits": logits[:, :, 0] + padding, "end_logits": logits[:, :, 1] + padding}

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        start = mean_cross_entropy(outputs["start_logits"], inputs["start_positions"])
        end = mean_cross_entropy(outputs["end_logits"], inputs["end_positions"])
        return (start + end) / 2

    def loss_weight(self, batch: Batch, examples: int) -> float:
        """The windows with an answer; the distance of two outputs is a mean over all windows."""
        del examples
        return float((batch["start_positions"] != UNLABELLED).sum())

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        lengths = batch["input_mask"].sum(axis=1).astype("int64")
        return [
            {"start_logits": start[:length], "end_logits": end[:length]}
            for start, end, length in zip(outputs["start_logits"], outputs["end_logits"], lengths, strict=True)
        ]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"id", "text", "start", "end", "probability", "nbest", "null_odds"}` per record.

        Each of `nbest` is `{"text", "start", "end", "probability", "start_logit", "end_logit"}`, best first. `start`
        and `end` are characters of the context, 0 and 0 for no answer.
        """
        groups = examples_by_record(dataset)
        return [self._prediction(index, rows, outputs, dataset) for index, rows in enumerate(groups)]

    def describe(self, prediction: Prediction) -> list[str]:
        """The answer with its probability."""
        probability = cast("float", prediction["probability"])
        return [f"{prediction['text'] or '(no answer)'}  {probability:.3f}"]

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedAnswers:
        nbest = [cast("Sequence[Mapping[str, object]]", prediction["nbest"]) for prediction in predictions]
        scores = [
            [cast("float", each["start_logit"]) + cast("float", each["end_logit"]) for each in one] for one in nbest
        ]
        answers = [cast("Sequence[Mapping[str, object]]", record.get("answers", ())) for record in records]
        predicted = [str(prediction["text"]) for prediction in predictions]
        texts = [[each["text"] for each in one] for one in nbest]
        return ComparedAnswers(
            [str(record["question"]) for record in records],
            [str(record["context"]) for record in records],
            [[str(answer["text"]) for answer in one] for one in answers],
            predicted,
            [np.array(one, "float64") for one in scores],
            [one.index(text) if text in one else -1 for one, text in zip(texts, predicted, strict=True)],
        )

    @property
    def uncalibrated(self) -> str | None:
        return None

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """`{"answer", "score", "start", "end"}`; with `top_k` above 1 a list of them, best first."""
        if row.top_k is not None and row.top_k > 1:
            best = cast("Sequence[Prediction]", prediction["nbest"])
            return [one_answer(answer) for answer in best[: row.top_k]]
        return one_answer(prediction)

    @property
    def transformers_head(self) -> TransformersHead | None:
        return TransformersHead("ForQuestionAnswering", layer="qa_outputs", has_labels=False)

    def prediction_files(self, predictions: Sequence[Prediction]) -> dict[str, str]:
        """Id → answer, id → n-best answers and, with `with_negative`, id → the odds of no answer.

        These are the files of SQuAD's scripts.
        """
        by_id = {str(prediction["id"]): prediction for prediction in predictions}
        odds = {key: one["null_odds"] for key, one in by_id.items() if one["null_odds"] is not None}
        files = {
            PREDICTIONS_FILE: {key: one["text"] for key, one in by_id.items()},
            NBEST_FILE: {key: _as_in_squad(one["nbest"]) for key, one in by_id.items()},
            **({NULL_ODDS_FILE: odds} if odds else {}),
        }
        return {name: json.dumps(content, ensure_ascii=False, indent=4) + "\n" for name, content in files.items()}

    def _prediction(self, index: int, rows: IntArray, outputs: Sequence[Outputs], dataset: Dataset) -> Prediction:
        record = dataset.records[index]
        windows = [_window(outputs[row], dataset, int(row)) for row in rows]
        limits = Limits(
            self.config.n_best_size,
            self.config.max_answer_len,
            self.config.with_negative,
            self.config.null_score_diff_threshold,
            self.temperature,
        )
        ranking = rank_answers(str(record["context"]), windows, limits)
        nbest = [
            {
                "text": answer.text,
                "start": answer.start,
                "end": answer.end,
                "probability": share,
                "start_logit": answer.start_logit,
                "end_logit": answer.end_logit,
            }
            for answer, share in zip(ranking.nbest, ranking.probabilities, strict=True)
        ]
        start, end = ranking.span
        return {
            "id": record["id"],
            "text": ranking.text,
            "start": start,
            "end": end,
            "probability": ranking.probability,
            "nbest": nbest,
            "null_odds": ranking.null_odds,
        }


def _as_in_squad(nbest: object) -> list[Prediction]:
    """The answers without their places in the context, which the files of SQuAD's scripts do not have."""
    answers = cast("Sequence[Prediction]", nbest)
    return [{name: value for name, value in one.items() if name not in ("start", "end")} for one in answers]


def _window(output: Outputs, dataset: Dataset, row: int) -> WindowLogits:
    return WindowLogits(
        start_logits=output["start_logits"],
        end_logits=output["end_logits"],
        context_start=dataset.ragged("context_start")[row],
        context_end=dataset.ragged("context_end")[row],
        is_max_context=dataset.ragged("is_max_context")[row],
    )
