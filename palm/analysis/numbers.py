"""Numbers: how far predictions are from gold, and the pairs to plot."""

import numpy as np

from palm.analysis.packages import metrics_package
from palm.analysis.scores import Facts
from palm.paradigm.comparison import ComparedNumbers

MOST_POINTS = 2000
"""Points of a scatter plot, at most."""
_BINS = 20


class NumberAnalysis(Facts):
    """What predictions of a number per row tell.

    Attributes:
        mean_absolute_error: Mean of |predicted - gold|.
        root_mean_squared_error: Square root of the mean of (predicted - gold)².
        r2: Coefficient of determination; None where all gold numbers are equal.
        bias: Mean of predicted - gold.
        points: (gold, predicted) of rows in their order; of many rows, evenly spaced ones.
        residual_edges: Edges of the bins of predicted - gold.
        residual_counts: How many rows are in each bin.
    """

    mean_absolute_error: float
    root_mean_squared_error: float
    r2: float | None
    bias: float
    points: list[tuple[float, float]]
    residual_edges: list[float]
    residual_counts: list[int]


def analyse_numbers(rows: ComparedNumbers) -> NumberAnalysis:
    """Compare the gold and the predicted numbers of at least one row."""
    metrics = metrics_package()
    gold, predicted = rows.gold, rows.predicted
    counts, edges = np.histogram(predicted - gold, bins=_BINS)
    shown = np.unique(np.linspace(0, len(gold) - 1, min(len(gold), MOST_POINTS)).astype("int64"))
    varies = len(gold) > 1 and bool((gold != gold[0]).any())
    return NumberAnalysis(
        mean_absolute_error=float(metrics.mean_absolute_error(gold, predicted)),
        root_mean_squared_error=float(np.sqrt(metrics.mean_squared_error(gold, predicted))),
        r2=float(metrics.r2_score(gold, predicted)) if varies else None,
        bias=float((predicted - gold).mean()),
        points=[(float(one), float(other)) for one, other in zip(gold[shown], predicted[shown], strict=True)],
        residual_edges=edges.tolist(),
        residual_counts=counts.tolist(),
    )
