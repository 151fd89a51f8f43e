from palm.analysis.relation_errors import RelationError
from palm.analysis.row_words import RowWords
from palm.analysis.span_errors import SpanError
from palm.data.spans import Relation, Span

CHINESE = RowWords(list("安娜去北京市"), "")
ENGLISH = RowWords(["Anna", "left", "New", "York"], " ")
安娜, 北京 = Span(0, 2, "人"), Span(3, 5, "地")


def test_spans_and_relations_are_listed():
    assert CHINESE.listed([安娜, 北京], [Relation(安娜, 北京, "去")]) == "人: 安娜; 地: 北京; 安娜 —去→ 北京"
    assert ENGLISH.listed([Span(2, 4, "CITY")]) == "CITY: New York"
    assert ENGLISH.listed([]) == ""


def test_errors_name_both_sides():
    whole = Span(3, 6, "地")
    assert CHINESE.span_error(SpanError("boundary", whole, 北京)) == "wrong boundary: 地 北京市 → 地 北京"
    assert CHINESE.span_error(SpanError("missed", whole, None)) == "missed: 地 北京市"
    right, wrong = Relation(安娜, whole, "去"), Relation(安娜, 北京, "去")
    expected = "wrong spans: 安娜 —去→ 北京市, predicted 安娜 —去→ 北京"
    assert CHINESE.relation_error(RelationError("ends", right, wrong)) == expected
    assert CHINESE.relation_error(RelationError("spurious", None, wrong)) == "spurious: 安娜 —去→ 北京"
