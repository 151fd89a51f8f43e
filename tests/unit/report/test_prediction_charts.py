import json

import pytest

pytest.importorskip("altair")
pytest.importorskip("sklearn.metrics")

import numpy as np

from palm.analysis.classes import OTHERS
from palm.analysis.numbers import analyse_numbers
from palm.paradigm.comparison import ComparedNumbers
from palm.report.prediction_charts import confusion_chart, number_chart, reliability_chart, span_error_chart
from tests.unit.report.analysed import calibrated, classes, every_kind


def values_of(spec):
    return [row for rows in spec["datasets"].values() for row in rows]


def test_a_matrix_of_few_classes_has_every_cell():
    chart = confusion_chart(classes(3))
    assert "of all classes" in chart.description
    cells = {(row["r"], row["c"]): row["v"] for row in values_of(dict(chart.spec))}
    assert len(cells) == 9
    assert (cells["类0", "类2"], cells["类0", "类0"], cells["类2", "类0"]) == (1, 1, 0)


def test_of_200_classes_those_with_errors_are_shown():
    chart = confusion_chart(classes(200))
    assert "29 of 200 classes with most errors" in chart.description
    names = {row["r"] for row in values_of(dict(chart.spec))}
    assert len(names) == 30
    assert {OTHERS, "类0", "类199"} <= names


def test_a_reliability_diagram_has_the_bins_with_rows_and_the_diagonal():
    found = calibrated()
    chart = reliability_chart(
        {"temperature 1": found["calibration"], "temperature 1.5": found["suggested"].calibration}
    )
    rows = values_of(dict(chart.spec))
    assert {"c": 0.0, "a": 0.0} in rows
    assert {row["n"] for row in rows if "n" in row} == {"temperature 1", "temperature 1.5"}
    filled = [each for each in found["calibration"].bins if each.count]
    shown = {(row["c"], row["k"]) for row in rows if row.get("n") == "temperature 1"}
    assert shown == {(each.confidence, each.count) for each in filled}


def test_errors_of_spans_and_numbers():
    chart = span_error_chart(every_kind()["spans"]["spans"])
    assert {(row["c"], row["n"], row["v"]) for row in values_of(dict(chart.spec))} == {
        ("X", "wrong label", 1), ("Y", "missed", 1),
    }  # fmt: skip
    numbers = analyse_numbers(ComparedNumbers(np.array([1.0, 2.0]), np.array([1.5, 2.0])))
    rows = values_of(dict(number_chart(numbers).spec))
    assert {"g": 1.0, "p": 1.5} in rows
    json.dumps(number_chart(numbers).spec, allow_nan=False)
