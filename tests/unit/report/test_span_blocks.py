"""What a report shows of spans and relations."""

import pytest

pytest.importorskip("altair")
pytest.importorskip("sklearn.metrics")

from palm.report.section import Chart, Table
from palm.report.span_blocks import span_blocks
from tests.unit.report.analysed import every_kind


def tables(kind):
    return {each.title: each for each in span_blocks(every_kind()[kind]["spans"]) if isinstance(each, Table)}


def test_spans_have_a_chart_and_tables_and_no_relations():
    assert any(isinstance(block, Chart) for block in span_blocks(every_kind()["spans"]["spans"]))
    assert list(tables("spans")) == [
        "Errors of spans by kind",
        "Types that are confused",
        "Scores of each type of spans",
    ]


def test_relations_have_their_errors_and_scores():
    found = tables("relations")
    errors = found["Errors of relations by kind"]
    kinds = ("missed", "spurious", "wrong label", "wrong direction", "wrong spans")
    assert errors.header == ("relation", "right", *kinds)
    # 住 was found with another label, 去 with the same spans, which is preferred to the one in the wrong direction.
    assert errors.rows == [("住", 0, 0, 1, 1, 0, 0), ("all", 0, 0, 1, 1, 0, 0)]
    scores = found["Scores of each relation"]
    assert [row[0] for row in scores.rows] == ["住", "去", "micro", "macro"]
    assert [row[-1] for row in scores.rows] == [1, 0, 1, 1]
    assert "Errors of spans by kind" not in found, "all spans are right"
