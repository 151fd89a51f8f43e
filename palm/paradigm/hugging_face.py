"""Predictions in the shapes of Hugging Face's inference API, which clients of many servers read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

AnswerKind = Literal["labels", "spans", "answer", "match", "cloze", "value", "choice"]
"""What a prediction says: labels of a text, spans of it, an answer in it, whether two texts match, words for masks, a
number, or one of several candidates."""


@dataclass(frozen=True)
class ApiRow:
    """What is known of a row when its prediction is written in a shape of the API.

    Attributes:
        texts: The texts of the row, in the order of the reader's `text_columns`.
        top_k: How many labels, answers or tokens to list; None for all.
        mask: How texts write the mask token.
    """

    texts: Sequence[str] = ()
    top_k: int | None = None
    mask: str = "[MASK]"


def scores_by_label(probabilities: Mapping[str, float], top_k: int | None = None) -> list[dict[str, object]]:
    """`[{"label", "score"}]`, best first; labels of equal scores in their own order."""
    best = sorted(probabilities.items(), key=lambda pair: -pair[1])[:top_k]
    return [{"label": label, "score": score} for label, score in best]
