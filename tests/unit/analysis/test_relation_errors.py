"""Errors of relations by kind, each worked out by hand."""

import pytest

from palm.analysis.relation_errors import relation_errors
from palm.data.spans import Relation, Span

ANNA, BO, ROME, UNIVERSITY = Span(0, 4, "PER"), Span(9, 11, "PER"), Span(34, 38, "CITY"), Span(20, 38, "ORG")
STUDIES = Relation(ANNA, UNIVERSITY, "studies_at")


def kinds(gold, predicted):
    return [(error.kind, error.gold, error.predicted) for error in relation_errors(gold, predicted)]


@pytest.mark.parametrize(
    ("kind", "predicted"),
    [
        ("label", Relation(ANNA, UNIVERSITY, "works_at")),
        ("direction", Relation(UNIVERSITY, ANNA, "studies_at")),
        ("ends", Relation(ANNA, ROME, "studies_at")),
        ("ends", Relation(Span(0, 4, "ORG"), UNIVERSITY, "studies_at")),
    ],
    ids=str,
)
def test_one_relation_stands_for_another(kind, predicted):
    assert kinds([STUDIES], [predicted]) == [(kind, STUDIES, predicted)]


@pytest.mark.parametrize(
    "predicted",
    [
        Relation(BO, UNIVERSITY, "studies_at"),
        Relation(ANNA, ROME, "works_at"),
        Relation(UNIVERSITY, ANNA, "works_at"),
    ],
    ids=["another head", "other spans and label", "direction and label"],
)
def test_too_different_relations_are_missed_and_spurious(predicted):
    assert sorted(kinds([STUDIES], [predicted])) == [("missed", STUDIES, None), ("spurious", None, predicted)]


def test_equal_relations_are_right_and_each_stands_for_one_at_most():
    works, lives = Relation(ANNA, UNIVERSITY, "works_at"), Relation(ANNA, ROME, "studies_at")
    assert kinds([STUDIES, works], [STUDIES, works]) == []
    # `works` has the spans of the gold one and is taken first, which leaves `lives` alone.
    assert kinds([STUDIES], [lives, works]) == [("label", STUDIES, works), ("spurious", None, lives)]
    assert kinds([STUDIES, STUDIES], []) == [("missed", STUDIES, None)]
