"""Precision, recall and F1 by scikit-learn, and what the parts of an analysis have in common: they become JSON."""

from collections.abc import Collection, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from palm.analysis.packages import metrics_package
from palm.data.spans import Relation, Span

_NOTHING = ""


class Facts(BaseModel):
    """A part of an analysis; numbers that JSON lacks (NaN, Inf) do not occur."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Scores(Facts):
    """How well one class is found.

    Attributes:
        name: The class, label or type of spans.
        precision: Of what was predicted as it, the fraction that is right; 0 where nothing was.
        recall: Of what is it, the fraction that was found; 0 where nothing is.
        f1: The harmonic mean of both.
        support: How often it is gold.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def score_classes(
    gold: Sequence[str], predicted: Sequence[str], names: Sequence[str]
) -> tuple[list[Scores], Scores, Scores]:
    """Scores of the classes `names`, their plain mean, and their mean weighted by support, by scikit-learn."""
    compute = metrics_package().precision_recall_fscore_support
    table = np.stack(compute(gold, predicted, labels=list(names), zero_division=0)).T
    each = [scores_of(name, row) for name, row in zip(names, table, strict=True)]
    return each, mean_scores(table), mean_scores(table, weighted=True)


def score_placed(
    wanted: Collection[tuple[int, Span | Relation]], found: Collection[tuple[int, Span | Relation]]
) -> tuple[list[Scores], Scores, Scores]:
    """Scores of each type of spans or of relations, over all of them (`micro`), and the mean of the types (`macro`).

    They are by scikit-learn, of an item for each span that is gold or predicted, with its type on either side: those of
    CoNLL's evaluation, and `micro` those of the task's metric.

    Args:
        wanted: The gold ones, each with the number of its row.
        found: The predicted ones.
    """
    items = {*wanted, *found}
    types = sorted({each.type for _, each in items})
    if not types:
        nothing = np.zeros((1, 4))
        return [], scores_of("micro", nothing[0]), mean_scores(nothing)
    gold, predicted = ([each[1].type if each in side else _NOTHING for each in items] for side in (wanted, found))
    scores, macro, _ = score_classes(gold, predicted, types)
    compute = metrics_package().precision_recall_fscore_support
    micro = compute(gold, predicted, labels=types, average="micro", zero_division=0)[:3]
    return scores, scores_of("micro", np.array([*micro, len(wanted)])), macro


def scores_of(name: str, row: np.ndarray) -> Scores:
    """The scores of `name` from precision, recall, F1 and support."""
    precision, recall, f1, support = row.tolist()
    return Scores(name=name, precision=precision, recall=recall, f1=f1, support=int(support))


def mean_scores(table: np.ndarray, *, weighted: bool = False) -> Scores:
    """The mean of scores [class 4], as scikit-learn averages them: plain (`macro`), or weighted by support."""
    support = table[:, 3]
    weights = support if weighted and support.sum() else np.ones(len(table))
    mean = np.average(table, axis=0, weights=weights)
    return scores_of("weighted" if weighted else "macro", np.array([*mean[:3], support.sum()]))
