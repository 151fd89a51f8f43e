"""Accuracy of the masked language model."""

from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("mlm_accuracy")
def mlm_accuracy(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Share of masked positions whose word-piece is right.

    The gold ids come with the predictions, as masks are drawn anew each time.
    """
    right = count = 0
    for prediction in predictions:
        tokens, gold = (cast("Sequence[int]", prediction[key]) for key in ("tokens", "gold"))
        right += sum(token == correct for token, correct in zip(tokens, gold, strict=True))
        count += len(gold)
    return {"mlm_accuracy": right / max(count, 1)}
