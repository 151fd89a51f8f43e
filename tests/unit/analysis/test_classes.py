"""Confusion matrices and scores of classes, by hand and as scikit-learn itself says."""

import pytest

from palm.analysis.classes import OTHERS, ClassAnalysis, analyse_classes
from palm.paradigm.comparison import ComparedClasses

metrics = pytest.importorskip("sklearn.metrics")
GOLD = ["水", "水", "水", "air", "air", "fire"]
PREDICTED = ["水", "air", "air", "air", "水", "air"]


def analysed(gold: list[str], predicted: list[str], names: list[str]) -> ClassAnalysis:
    return analyse_classes(ComparedClasses(names, gold, predicted, None))


def test_by_hand():
    found = analysed(GOLD, PREDICTED, ["air", "水", "never"])
    assert found.accuracy == pytest.approx(2 / 6)
    assert [(each.name, each.support) for each in found.classes] == [("air", 2), ("水", 3), ("fire", 1)]
    air = found.classes[0]
    assert (air.precision, air.recall, air.f1) == pytest.approx((1 / 4, 1 / 2, 1 / 3))
    assert [(each.gold, each.predicted, each.count) for each in found.confused()] == [
        ("水", "air", 2), ("air", "水", 1), ("fire", "air", 1),
    ]  # fmt: skip
    assert found.confused()[0].fraction == pytest.approx(2 / 3)
    assert len(found.confused(1)) == 1
    assert found.matrix().counts == [[1, 1, 0], [2, 1, 0], [1, 0, 0]]


def test_equals_scikit_learn():
    report = metrics.classification_report(GOLD, PREDICTED, output_dict=True, zero_division=0)
    found = analysed(GOLD, PREDICTED, ["air", "水"])
    for each in [*found.classes]:
        assert (each.precision, each.recall, each.f1, each.support) == pytest.approx(tuple(report[each.name].values()))
    assert found.macro.f1 == pytest.approx(report["macro avg"]["f1-score"])
    assert found.weighted.f1 == pytest.approx(report["weighted avg"]["f1-score"])


def test_of_many_classes_those_with_most_errors_are_shown():
    names = [f"class {number:03d}" for number in range(200)]
    gold, predicted = [*names, "class 150", "class 150"], [*names, "class 007", "class 007"]
    found = analysed(gold, predicted, names)
    matrix = found.matrix(3)
    assert matrix.names == ["class 007", "class 150", OTHERS]
    assert matrix.counts == [[1, 0, 0], [2, 1, 0], [0, 0, 198]]
    assert len(found.matrix(200).names) == 200
