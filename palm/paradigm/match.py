"""Text matching: one label per pair of texts, by default whether they match."""

from collections.abc import Mapping
from typing import ClassVar, cast, final

from palm.paradigm.base import PARADIGMS, Prediction
from palm.paradigm.cls import TextClass, TextClassFields
from palm.paradigm.decoding import count_classes
from palm.schema.fields import ParadigmFields


class MatchingFields(TextClassFields):
    """Keys of the paradigm `match`."""


@final
@PARADIGMS.register("match")
class Matching(TextClass):
    """One label per pair of texts: two classes by default, unless n_classes or the labels determine them."""

    Config: ClassVar[type[ParadigmFields]] = MatchingFields
    name = "match"
    embedding = "sentence_pair_embedding"
    answer_kind = "match"

    def count_classes(self) -> int:
        known = self.config.n_classes is not None or self.labels is not None
        return count_classes(self.config.n_classes, self.labels) if known else 2

    def similarity(self, prediction: Prediction) -> object:
        """The probability of the label `1`: of pairs that match."""
        return cast("Mapping[str, float]", prediction["probs"]).get("1")
