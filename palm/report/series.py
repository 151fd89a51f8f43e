"""A curve of a run: values by global step, in memory that a million points do not strain."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass
class Series:
    """Values by strictly increasing global steps.

    A step that is not above the last one replaces everything from it on: a resumed run writes these steps again.
    """

    _steps: "array[int]" = field(default_factory=lambda: array("q"))
    _values: "array[float]" = field(default_factory=lambda: array("d"))

    @classmethod
    def of(cls, points: Iterable[tuple[int, float]]) -> "Series":
        """The series of these points."""
        series = cls()
        for step, value in points:
            series.append(step, value)
        return series

    def append(self, step: int, value: float) -> None:
        """Add a point."""
        if self._steps and self._steps[-1] >= step:
            self.cut(step)
        self._steps.append(step)
        self._values.append(value)

    def extend(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Add points whose steps increase, from after the last one on."""
        self._steps.extend(steps)
        self._values.extend(values)

    def between(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Steps and values of a range, and of the points beside it: int64[point], float64[point]."""
        start, end = max(0, bisect_left(self._steps, first) - 1), bisect_right(self._steps, last) + 1
        return np.frombuffer(self._steps[start:end], np.int64), np.frombuffer(self._values[start:end], np.float64)

    def cut(self, step: int) -> None:
        """Remove the points from a step on."""
        while self._steps and self._steps[-1] >= step:
            self._steps.pop()
            self._values.pop()

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def steps(self) -> NDArray[np.int64]:
        """The global steps: int64[point], a copy."""
        return np.array(self._steps, np.int64)

    @property
    def values(self) -> NDArray[np.float64]:
        """The values: float64[point], a copy."""
        return np.array(self._values, np.float64)

    @property
    def points(self) -> list[tuple[int, float]]:
        """All points."""
        return list(zip(self._steps, self._values, strict=True))

    @property
    def last(self) -> tuple[int, float] | None:
        """The last point."""
        return (self._steps[-1], self._values[-1]) if self._steps else None

    def best(self, *, falls: bool) -> tuple[int, float] | None:
        """The first of the best points; None without any finite one.

        Args:
            falls: Whether lower is better, as for a loss.
        """
        values = self.values
        finite = np.isfinite(values)
        if not finite.any():
            return None
        worst = np.inf if falls else -np.inf
        kept = np.where(finite, values, worst)
        index = int(np.argmin(kept) if falls else np.argmax(kept))
        return self._steps[index], self._values[index]

    def smoothed(self, span: float | None = None) -> "Series":
        """The exponential moving average, without a bias towards its beginning.

        Args:
            span: About how many points count; a fortieth of all by default, and at least 5.
        """
        keep = 1.0 - 2.0 / (1.0 + (max(5.0, len(self) / 40) if span is None else span))
        total = weight = 0.0
        values = array("d")
        for value in self._values:
            total = keep * total + (1.0 - keep) * value
            weight = keep * weight + (1.0 - keep)
            values.append(total / weight)
        return Series(array("q", self._steps), values)

    def thinned(self, most: int) -> "Series":
        """At most about `most` points: the first and the last one, and the lowest and highest of equal parts between.

        Peaks stay visible, which a plain selection of every n-th point would lose.
        """
        if len(self) <= most:
            return self
        values, chosen = self.values, {0, len(self) - 1}
        bounds = np.linspace(0, len(self), max(1, (most - 2) // 2) + 1).astype(int)
        for start, end in pairwise(bounds):
            part = values[start:end]
            chosen |= {int(start + np.argmin(part)), int(start + np.argmax(part))}
        kept = sorted(chosen)
        return Series(array("q", (self._steps[i] for i in kept)), array("d", (self._values[i] for i in kept)))
