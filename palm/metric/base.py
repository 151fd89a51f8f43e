"""What every metric is: a function from predictions and gold records to named figures."""

from collections.abc import Callable, Iterable, Sequence

from palm.data.dataset import Record
from palm.registry import Registry

Metric = Callable[[Sequence[Record], Sequence[Record]], dict[str, float]]
"""`metric(predictions, records)`: what `Paradigm.decode` gave and the reader's records, row by row.

Of several figures the first is the main one, by which a task is judged where nobody names another.
"""

METRICS: Registry[Metric] = Registry("metric")
LOSS = "loss"


def main_metric(figures: Iterable[str]) -> str:
    """The figure that counts for a task, of those that its evaluation gives: the first of its first metric.

    It is the loss where there is no other.
    """
    return next((name for name in figures if name != LOSS), LOSS)
