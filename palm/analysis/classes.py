"""Classes: the confusion matrix, the pairs that are confused most, and precision, recall and F1 of each class."""

from collections import Counter

import numpy as np

from palm.analysis.packages import metrics_package
from palm.analysis.scores import Facts, Scores, score_classes
from palm.paradigm.comparison import ComparedClasses

OTHERS = "…"
"""The name of all classes that a condensed matrix does not show one by one."""


class Confusion(Facts):
    """How often one class was predicted for another.

    Attributes:
        gold: The gold class.
        predicted: The predicted class.
        count: In how many rows.
        fraction: Of the rows of the gold class.
    """

    gold: str
    predicted: str
    count: int
    fraction: float


class ConfusionMatrix(Facts):
    """A confusion matrix.

    Attributes:
        names: The classes, in the order of rows and columns.
        counts: `counts[gold][predicted]` rows.
    """

    names: list[str]
    counts: list[list[int]]


class ClassAnalysis(Facts):
    """What predictions of one class per row tell.

    Attributes:
        accuracy: Fraction of rows that are right.
        classes: Scores of each class, in the model's order; of those that are gold or predicted somewhere.
        macro: Mean scores of these classes.
        weighted: Their mean, weighted by support.
        cells: The cells of the confusion matrix that are not 0, the diagonal included, row by row.
    """

    accuracy: float
    classes: list[Scores]
    macro: Scores
    weighted: Scores
    cells: list[Confusion]

    def confused(self, most: int = 20) -> list[Confusion]:
        """The pairs of different classes that are confused most often, at most `most` of them."""
        wrong = [cell for cell in self.cells if cell.gold != cell.predicted]
        return sorted(wrong, key=lambda cell: -cell.count)[:most]

    def matrix(self, most: int = 30) -> ConfusionMatrix:
        """The confusion matrix; of more than `most` classes those with most errors, and the others as `OTHERS`."""
        names = [each.name for each in self.classes]
        if len(names) > most:
            errors: Counter[str] = Counter()
            for cell in self.cells:
                if cell.gold != cell.predicted:
                    errors.update({cell.gold: cell.count, cell.predicted: cell.count})
            order = {name: number for number, name in enumerate(names)}
            worst = set(sorted(names, key=lambda name: (-errors[name], order[name]))[: most - 1])
            names = [*(name for name in names if name in worst), OTHERS]
        place = {name: number for number, name in enumerate(names)}
        counts = [[0] * len(names) for _ in names]
        for cell in self.cells:
            row, column = (place.get(name, len(names) - 1) for name in (cell.gold, cell.predicted))
            counts[row][column] += cell.count
        return ConfusionMatrix(names=names, counts=counts)


def analyse_classes(rows: ComparedClasses) -> ClassAnalysis:
    """Compare the gold and the predicted classes of at least one row."""
    metrics = metrics_package()
    present = {*rows.gold, *rows.predicted}
    names = [name for name in rows.names if name in present]
    names += sorted(present - set(names))
    classes, macro, weighted = score_classes(rows.gold, rows.predicted, names)
    matrix = metrics.confusion_matrix(rows.gold, rows.predicted, labels=names)
    cells = [
        Confusion(
            gold=names[row],
            predicted=names[column],
            count=int(matrix[row, column]),
            fraction=float(matrix[row, column] / matrix[row].sum()),
        )
        for row, column in np.argwhere(matrix).tolist()
    ]
    accuracy = float(metrics.accuracy_score(rows.gold, rows.predicted))
    return ClassAnalysis(accuracy=accuracy, classes=classes, macro=macro, weighted=weighted, cells=cells)
