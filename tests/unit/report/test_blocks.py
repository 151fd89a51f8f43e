from palm.report.blocks import grouped, is_number, kind_of_cell, number_columns, shown_cell
from palm.report.section import Chart, Paragraph, Table


def test_charts_stand_together():
    a, b = Chart("a", {}, ""), Chart("b", {}, "")
    text = Paragraph("p")
    assert grouped([a, b, text, a]) == [("charts", [a, b]), ("block", [text]), ("charts", [a])]
    assert grouped([]) == []


def test_cells():
    table = Table("t", ("a", "b", "c"), [("1", 2, "x"), ("y", "–", None)], frozenset({(0, 1)}), texts=frozenset({2}))
    assert number_columns(table) == {1}
    assert kind_of_cell(table, number_columns(table), 0, 1) == "number best"
    assert kind_of_cell(table, number_columns(table), 0, 2) == "text"
    assert [shown_cell(value) for value in (None, 1234, 0.123456, "a", True)] == ["", "1,234", "0.1235", "a", "True"]
    assert [is_number(value) for value in ("–", "50.0%", "-1.5", "+2", "", "a", "1.2.3", 3)] == [
        True, True, True, True, False, False, False, True,
    ]  # fmt: skip
