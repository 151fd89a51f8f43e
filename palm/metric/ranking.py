"""How high the right one of several candidates is ranked."""

from collections.abc import Sequence
from typing import cast

from palm.data.dataset import Record
from palm.metric.base import METRICS


@METRICS.register("mrr")
def mean_reciprocal_rank(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean of 1 / place of the right candidate in `ranking`."""
    places = [
        cast("list[int]", prediction["ranking"]).index(int(str(record["label"]))) + 1
        for prediction, record in zip(predictions, records, strict=True)
    ]
    return {"mrr": sum(1 / place for place in places) / max(len(places), 1)}
