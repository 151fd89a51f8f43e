"""From comparisons to scores whose probabilities can be calibrated, and the fit of a temperature to them."""

from collections.abc import Sequence

import numpy as np

from palm.analysis.calibration import Scored, ScoredAnswers, ScoredClasses, ScoredDecisions, padded
from palm.analysis.label_sets import label_arrays
from palm.paradigm.comparison import (
    ComparedAnswers,
    ComparedCandidates,
    ComparedClasses,
    ComparedLabelSets,
    Comparison,
    ScoredLabels,
)


def scored_of(
    rows: Comparison, labels: Sequence[Sequence[ScoredLabels]] | None = None, exact: np.ndarray | None = None
) -> Scored | None:
    """What has probabilities in `rows`; None if nothing has.

    Rows whose gold class the model does not know are left out, and questions to which it has found no answer at all.

    Args:
        rows: The rows.
        labels: The scores of the labels inside each row, such as those of its words.
        exact: Exact match of each answer to a question.
    """
    found: Scored | None = None
    if labels is not None:
        found = of_labels([each for row in labels for each in row])
    elif isinstance(rows, ComparedClasses):
        found = _of_classes(rows)
    elif isinstance(rows, ComparedLabelSets):
        known = label_arrays(rows)[1][:, : len(rows.names)]
        found = ScoredDecisions(rows.scores.reshape(-1), known.reshape(-1).astype("bool"))
    elif isinstance(rows, ComparedCandidates):
        found = ScoredClasses(padded(rows.scores), np.array(rows.gold, "int64"))
    elif isinstance(rows, ComparedAnswers) and exact is not None:
        kept = np.flatnonzero(np.array(rows.chosen) >= 0)
        chosen = np.array(rows.chosen, "int64")[kept]
        found = ScoredAnswers(padded([rows.scores[number] for number in kept.tolist()]), chosen, exact[kept] == 1)
    return found if found is not None and len(found.scores) else None


def _of_classes(rows: ComparedClasses) -> ScoredClasses | None:
    if rows.scores is None:
        return None
    place = {name: number for number, name in enumerate(rows.names)}
    gold = np.array([place.get(name, -1) for name in rows.gold], "int64")
    return ScoredClasses(rows.scores[gold >= 0], gold[gold >= 0])


def of_labels(labels: Sequence[ScoredLabels]) -> ScoredClasses | None:
    """The labels of one row, or of several; None without any."""
    if not any(len(each.gold) for each in labels):
        return None
    scores = np.concatenate([each.scores for each in labels]).astype("float64")
    return ScoredClasses(scores, np.concatenate([each.gold for each in labels]).astype("int64"), "word")
