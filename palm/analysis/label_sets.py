"""Several labels per row: the scores of each label, and how many are missing and spurious."""

import numpy as np

from palm.analysis.packages import metrics_package
from palm.analysis.scores import Facts, Scores, mean_scores, scores_of
from palm.paradigm.comparison import ComparedLabelSets


class LabelCounts(Facts):
    """The confusion matrix of one label: whether it is there.

    Attributes:
        name: The label.
        right: Rows that have it, and were given it.
        spurious: Rows that were given it without having it.
        missing: Rows that have it without being given it.
        absent: Rows that neither have it nor were given it.
    """

    name: str
    right: int
    spurious: int
    missing: int
    absent: int


class LabelSetAnalysis(Facts):
    """What predictions of several labels per row tell.

    Attributes:
        set_accuracy: Fraction of rows with exactly the gold labels.
        hamming_loss: Fraction of decisions, one per row and label, that are wrong.
        labels: Scores of each label.
        micro: Scores over all decisions.
        macro: Mean of the scores of the labels that are gold or predicted somewhere.
        counts: The confusion matrix of each label.
    """

    set_accuracy: float
    hamming_loss: float
    labels: list[Scores]
    micro: Scores
    macro: Scores
    counts: list[LabelCounts]


def analyse_label_sets(rows: ComparedLabelSets) -> LabelSetAnalysis:
    """Compare the gold and the predicted labels of at least one row."""
    metrics = metrics_package()
    names, gold, predicted = label_arrays(rows)
    compute = metrics.precision_recall_fscore_support
    # scikit-learn takes a single column for two classes: a second one, of a label that never is, makes it a set.
    both = [np.hstack([array, np.zeros((len(array), 1), "int64")]) for array in (gold, predicted)]
    table = np.stack(compute(*both, average=None, zero_division=0)).T[: len(names)]
    micro = np.array([*compute(*both, average="micro", zero_division=0)[:3], gold.sum()])
    seen = gold.any(0) | predicted.any(0)
    counts = metrics.multilabel_confusion_matrix(*both)[: len(names)]
    return LabelSetAnalysis(
        set_accuracy=float((gold == predicted).all(1).mean()),
        hamming_loss=float((gold != predicted).mean()),
        labels=[scores_of(name, row) for name, row in zip(names, table, strict=True)],
        micro=scores_of("micro", micro),
        macro=mean_scores(table[seen] if seen.any() else table),
        counts=[
            LabelCounts(
                name=name,
                right=int(each[1, 1]),
                spurious=int(each[0, 1]),
                missing=int(each[1, 0]),
                absent=int(each[0, 0]),
            )
            for name, each in zip(names, counts, strict=True)
        ],
    )


def label_arrays(rows: ComparedLabelSets) -> tuple[list[str], np.ndarray, np.ndarray]:
    """All labels, those that the model knows first, and int64[row label]: which rows have, and were given, each."""
    unknown = {name for labels in rows.gold for name in labels} - set(rows.names)
    names = [*rows.names, *sorted(unknown)]
    place = {name: number for number, name in enumerate(names)}
    arrays = []
    for sets in (rows.gold, rows.predicted):
        array = np.zeros((len(sets), len(names)), "int64")
        for line, labels in zip(array, sets, strict=True):
            line[[place[name] for name in labels]] = 1
        arrays.append(array)
    return names, arrays[0], arrays[1]
