"""What every metric is: a function from predictions and gold records to named figures."""

from collections.abc import Callable, Sequence

from palm.dataset import Record
from palm.registry import Registry

Metric = Callable[[Sequence[Record], Sequence[Record]], dict[str, float]]
"""`metric(predictions, records)`: what `Paradigm.decode` gave and the reader's records, row by row."""

METRICS: Registry[Metric] = Registry("metric")
