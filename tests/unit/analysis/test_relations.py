"""Relations: scores of each label and errors by kind, against values worked out by hand and the task's metric."""

import pytest

from palm.analysis.relations import analyse_relations
from palm.data.spans import Relation, Span
from palm.metric import relation_f1

pytest.importorskip("sklearn.metrics")
王, 李, 京 = Span(0, 1, "人"), Span(2, 3, "人"), Span(4, 6, "地")
GOLD = [[Relation(王, 京, "住"), Relation(李, 京, "住")], [Relation(王, 李, "友")], []]
PREDICTED = [[Relation(王, 京, "住"), Relation(李, 京, "去")], [Relation(李, 王, "友")], [Relation(王, 京, "住")]]


def test_scores_of_each_label():
    found = analyse_relations(GOLD, PREDICTED)
    scores = {each.name: (each.precision, each.recall, each.f1, each.support) for each in found.types}
    assert scores == {"住": (1 / 2, 1 / 2, 1 / 2, 2), "友": (0, 0, 0, 1), "去": (0, 0, 0, 0)}
    assert (found.micro.precision, found.micro.recall) == pytest.approx((1 / 4, 1 / 3))
    assert found.macro.f1 == pytest.approx(0.5 / 3)


def test_micro_is_the_metric_of_the_task():
    def rows(sides):
        spans = [王, 李, 京]
        listed = [{"start": span.start, "end": span.end, "type": span.type} for span in spans]
        places = {span: number for number, span in enumerate(spans)}
        return [
            {"spans": listed, "relations": [
                {"head": places[one.head], "tail": places[one.tail], "type": one.type} for one in side
            ]}
            for side in sides
        ]  # fmt: skip

    micro = analyse_relations(GOLD, PREDICTED).micro
    assert (micro.f1, micro.precision, micro.recall) == pytest.approx(
        tuple(relation_f1(rows(PREDICTED), rows(GOLD)).values())
    )


def test_errors_by_label_and_kind():
    found = analyse_relations(GOLD, PREDICTED)
    kinds = {each.name: {k: v for k, v in each.model_dump(exclude={"name"}).items() if v} for each in found.errors}
    assert kinds == {"住": {"right": 1, "label": 1, "spurious": 1}, "友": {"direction": 1}}
    total = {"right": 1, "missed": 0, "spurious": 1, "label": 1, "direction": 1, "ends": 0}
    assert found.total.model_dump(exclude={"name"}) == total


def test_rows_without_a_relation_on_either_side():
    found = analyse_relations([[], []], [[], []])
    assert (found.types, found.micro.f1, found.errors, found.total.right) == ([], 0.0, [], 0)
