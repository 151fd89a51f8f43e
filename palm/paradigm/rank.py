"""Ranking: orders the candidates of a text by their relevance."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, cast, final

import numpy as np
from pydantic import Field

from palm.data.dataset import Dataset, Record
from palm.paradigm.base import PARADIGMS, Outputs, Prediction
from palm.paradigm.candidates import CandidateScores, ranked
from palm.paradigm.comparison import ComparedCandidates
from palm.paradigm.decoding import softmax
from palm.paradigm.layers import TextHeadFields
from palm.paradigm.rank_losses import RankLoss, rank_loss
from palm.schema.facts import Key, when
from palm.schema.fields import BackboneFields, Float, ParadigmFields
from palm.spec import Spec

if TYPE_CHECKING:
    from paddle import Tensor


class RankFields(TextHeadFields):
    """Keys of the paradigm `rank`."""

    rank_loss: RankLoss = Field(
        "listwise",
        description="`listwise` (cross entropy over a list, in proportion to relevance), `margin` (each candidate "
        "above every less relevant one), `distill` (relevance is a teacher's scores, whose distribution over a list is "
        "learned) or `margin_mse` (the differences of a teacher's scores).",
    )
    rank_margin: Annotated[Float, Key(read=(when(rank_loss="margin"),))] = Field(
        1.0, ge=0, description="How far the score of a candidate is to be above that of a less relevant one."
    )
    distill_temperature: Annotated[Float, Key(read=(when(rank_loss="distill"),))] = Field(
        1.0, gt=0, description="What the scores of teacher and student are divided by before their distributions."
    )


@final
@PARADIGMS.register("rank")
class Rank(CandidateScores):
    """One score per candidate, learned from the relevance of each."""

    Config: ClassVar[type[ParadigmFields]] = RankFields
    config: RankFields
    pipeline_tag: ClassVar[str | None] = "text-ranking"
    gold_specs = {"relevance": Spec("batch choice", "float32")}  # noqa: RUF012 (a constant, as in the base)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("ndcg", "mrr")

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("rank", *self.score_shape(backbone))

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        own = self.config
        scores = outputs["logits"].astype("float32")
        return rank_loss(own.rank_loss, scores, inputs, margin=own.rank_margin, temperature=own.distill_temperature)

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "choice", "ranking": [..], "scores": [..], "probs": [..]}` per record.

        `ranking` has the indices of the candidates, best first; `scores` can be compared between lists of one text.
        """
        return list(_predictions(outputs, dataset, self.temperature))

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedCandidates:
        """The best candidate beside a most relevant one: the predicted one, if it is among these."""
        relevance = [np.array(record["relevance"], "float64") for record in records]
        predicted = [cast("Sequence[int]", prediction["ranking"])[0] for prediction in predictions]
        return ComparedCandidates(
            [_candidates_of(record) for record in records],
            [
                best if own[best] == own.max() else int(own.argmax())
                for own, best in zip(relevance, predicted, strict=True)
            ],
            predicted,
            [np.array(prediction["scores"], "float64") for prediction in predictions],
        )

    @property
    def uncalibrated(self) -> str | None:
        return None


def _candidates_of(record: Record) -> Sequence[str]:
    return cast("Sequence[str]", record["choices"]) if "choices" in record else [str(record["text_b"])]


def _predictions(outputs: Sequence[Outputs], dataset: Dataset, temperature: float) -> Iterator[Prediction]:
    for index, output in zip(dataset.array("record"), outputs, strict=True):
        scores = output["logits"]
        ranking = ranked(scores)
        yield {
            "index": int(index),
            "choice": _candidates_of(dataset.records[index])[ranking[0]],
            "ranking": ranking,
            "scores": scores.tolist(),
            "probs": softmax(scores / temperature).tolist(),
        }
