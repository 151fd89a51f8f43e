"""Multiple choice and ranking: selects one of several candidates for a text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np

from palm.data.dataset import Dataset, Record
from palm.paradigm.base import PARADIGMS, Outputs, Prediction
from palm.paradigm.candidates import CandidateScores, ranked
from palm.paradigm.comparison import ComparedCandidates
from palm.paradigm.decoding import softmax
from palm.paradigm.layers import TextHeadFields
from palm.paradigm.losses import mean_cross_entropy
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.spec import Spec

if TYPE_CHECKING:
    from paddle import Tensor


class ChoiceFields(TextHeadFields):
    """Keys of the paradigm `choice`."""


@final
@PARADIGMS.register("choice")
class Choice(CandidateScores):
    """One score per candidate; cross entropy over the candidates of each example."""

    Config: ClassVar[type[ParadigmFields]] = ChoiceFields
    config: ChoiceFields
    pipeline_tag: ClassVar[str | None] = "multiple-choice"
    gold_specs = {"label_ids": Spec("batch", "int64")}  # noqa: RUF012 (a constant, as in the base)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("accuracy", "mrr")

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("choice", *self.score_shape(backbone))

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        return mean_cross_entropy(outputs["logits"], inputs["label_ids"])

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


def _predictions(outputs: Sequence[Outputs], dataset: Dataset, temperature: float) -> Iterator[Prediction]:
    for index, output in zip(dataset.array("record"), outputs, strict=True):
        logits = output["logits"]
        ranking = ranked(logits)
        choices = cast("Sequence[str]", dataset.records[index]["choices"])
        yield {
            "index": int(index),
            "label": str(ranking[0]),
            "choice": choices[ranking[0]],
            "ranking": ranking,
            "probs": softmax(logits / temperature).tolist(),
            "logits": logits.tolist(),
        }
