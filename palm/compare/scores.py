"""Means, deviations and differences over seeds, and whether a difference exceeds the noise between seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from palm.metric.base import lower_is_better

_ERRORS = 2  # standard errors that count as noise


@dataclass(frozen=True)
class Difference:
    """How much better a variant is than the single task, over the same seeds.

    Attributes:
        mean: Mean of the seeds' differences; above zero the variant is better.
        error: Standard error of that mean; None with one seed.
    """

    mean: float
    error: float | None

    @property
    def hurts(self) -> bool:
        """Whether the variant is worse by more than the noise; False with one seed."""
        return self.error is not None and self.mean < -_ERRORS * self.error

    @property
    def helps(self) -> bool:
        """Whether it is better by more than the noise; False with one seed."""
        return self.error is not None and self.mean > _ERRORS * self.error


def difference(variant: Sequence[float], single: Sequence[float], metric: str) -> Difference:
    """The difference between two lists of scores, seed by seed; a lower loss is better."""
    sign = -1 if lower_is_better(metric) else 1
    each = [sign * (one - other) for one, other in zip(variant, single, strict=True)]
    return Difference(fmean(each), stdev(each) / math.sqrt(len(each)) if len(each) > 1 else None)


def spread(values: Sequence[float]) -> str:
    """`0.5213 ± 0.0042`: mean and sample standard deviation; only the mean of a single value."""
    mean = f"{fmean(values):.4f}"
    return f"{mean} ± {stdev(values):.4f}" if len(values) > 1 else mean
