"""The smoothed loss of a task over its run, in as many values as a sparkline needs, however long the run is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

_SMOOTHING = 0.9
_MOST_VALUES = 256
_BARS = "▁▂▃▄▅▆▇█"


@dataclass
class LossCurve:
    """An exponential moving average of a loss, and its course.

    The average has the bias correction of Adam, so it starts at the first loss.

    Attributes:
        smoothed: The average after the last step; None before the first.
    """

    smoothed: float | None = None
    _sum: float = 0.0
    _weight: float = 0.0
    _values: list[float] = field(default_factory=list)
    _per_value: int = 1
    _pending: list[float] = field(default_factory=list)

    def add(self, loss: float) -> None:
        """Add the loss of a step."""
        self._sum = _SMOOTHING * self._sum + (1 - _SMOOTHING) * loss
        self._weight = _SMOOTHING * self._weight + (1 - _SMOOTHING)
        self.smoothed = self._sum / self._weight
        self._pending.append(self.smoothed)
        if len(self._pending) == self._per_value:
            self._values.append(fmean(self._pending))
            self._pending = []
        if len(self._values) == _MOST_VALUES:
            self._values = _means(self._values, _MOST_VALUES // 2)
            self._per_value *= 2

    def sparkline(self, width: int) -> str:
        """The course from the first step to the last in at most `width` characters, `▇▅▃▂▁`; `▁` is the lowest."""
        values = list(self._values)
        means = values if len(values) <= width else _means(values, width)
        if not means:
            return ""
        low, high = min(means), max(means)
        span, highest = high - low or 1.0, len(_BARS) - 1
        return "".join(_BARS[round((value - low) / span * highest)] for value in means)


def _means(values: Sequence[float], count: int) -> list[float]:
    """The means of `count` parts of `values`, as equal in length as they can be."""
    edges = [len(values) * part // count for part in range(count + 1)]
    return [fmean(values[start:end]) for start, end in pairwise(edges)]
