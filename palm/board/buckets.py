"""Reduces a curve to what a chart can show: the lowest, highest and mean value in each of some hundred ranges of steps.

Every peak stays visible, as in the M4 aggregation of Jugel et al., "M4: A Visualization-Oriented Time Series Data
Aggregation", PVLDB 7(10), 2014 (https://www.vldb.org/pvldb/vol7/p797-jugel.pdf), and the mean tells the trend, which
a choice of points, as that of LTTB, does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DIGITS = 5


@dataclass(frozen=True)
class ChartWindow:
    """The part of a curve to show.

    Attributes:
        first: The first global step.
        last: The last global step.
        buckets: At least about how many points a long curve has in it, and at most about twice as many.
    """

    first: int
    last: int
    buckets: int

    @property
    def width(self) -> int:
        """Steps of a bucket: a power of two, so that buckets stay where they are while a run grows or a chart moves."""
        wanted = max(1, (self.last - self.first + 1) // max(1, self.buckets))
        return 1 << (wanted.bit_length() - 1)


def reduced(steps: NDArray[np.int64], values: NDArray[np.float64], window: ChartWindow) -> dict[str, list[float]]:
    """The points of a curve in a window, as JSON.

    Args:
        steps: int64[point], increasing.
        values: float64[point], finite.
        window: What to show, and how many points at most.

    Returns:
        `s` and `v`, steps and values; with `lo` and `hi` where each `v` is the mean of a bucket and `s` its middle.
    """
    if len(steps) <= 2 * window.buckets:
        return {"s": steps.tolist(), "v": _short(values)}
    buckets = steps // window.width
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    counts = np.diff(starts, append=len(steps))
    middles = np.minimum(buckets[starts] * window.width + window.width // 2, steps[-1])
    return {
        "s": middles.tolist(),
        "v": _short(np.add.reduceat(values, starts) / counts),
        "lo": _short(np.minimum.reduceat(values, starts)),
        "hi": _short(np.maximum.reduceat(values, starts)),
    }


def _short(values: Iterable[float]) -> list[float]:
    """Values with as many digits as a chart can show: answers become smaller."""
    return [float(f"{value:.{_DIGITS}g}") for value in values]
