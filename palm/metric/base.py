"""The interface of metrics: a function from predictions and gold records to named values."""

from collections.abc import Callable, Iterable, Sequence

from palm.data.dataset import Record
from palm.registry import Registry

Metric = Callable[[Sequence[Record], Sequence[Record]], dict[str, float]]
"""`metric(predictions, records)`: the results of `Paradigm.decode` and the reader's records, row by row.

The first of several values is the main one, used for model selection unless another is named.
"""

METRICS: Registry[Metric] = Registry("metric")
LOSS, PERPLEXITY = "loss", "perplexity"


def lower_is_better(name: str) -> bool:
    """Whether a metric, `metric` or `task.metric`, falls while a model gets better."""
    return name.rpartition(".")[2] in (LOSS, PERPLEXITY)


def main_metric(names: Iterable[str]) -> str:
    """The main metric of a task among the names in its evaluation: the first after the loss, or else the loss."""
    return next((name for name in names if name != LOSS), LOSS)
