"""The rows that `palm demo` shows, and how they are shown."""

import pytest

from palm.cli.demo_folder import DATA, PACKAGED
from palm.cli.demo_rows import DemoRow, demo_rows, table


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_are_the_first_of_the_test_files(language: str) -> None:
    data = PACKAGED / language / DATA
    rows = demo_rows(data)
    assert {task: len(own) for task, own in rows.items()} == {"intent": 5, "slots": 5, "answer": 5}
    for task, column in (("intent", 1), ("slots", 0)):
        lines = (data / task / "test.tsv").read_text(encoding="utf-8").splitlines()[1:6]
        assert [row.row for row in rows[task]] == [line.split("\t")[column] for line in lines]
    assert all(row.shown and row.gold and not row.is_right for own in rows.values() for row in own)


def test_a_prediction_is_right_when_it_says_what_the_gold_says() -> None:
    row = demo_rows(PACKAGED / "en" / DATA)["slots"][0]
    assert row.gold == "company = Kestrel, from_city = Hong Kong, to_city = Lima"
    spans = [{"type": "company", "text": "Kestrel"}, {"type": "from_city", "text": "Hong Kong"}]
    assert not row.predicted({"spans": spans}).is_right
    assert not row.predicted({"spans": []}).is_right
    assert row.predicted({"spans": [*spans, {"type": "to_city", "text": "Lima"}]}).is_right


def test_chinese_spans_have_no_blanks() -> None:
    for row in demo_rows(PACKAGED / "zh" / DATA)["slots"]:
        assert " " not in row.shown
        assert " = " in row.gold


def test_the_table_marks_what_is_wrong_and_says_what_is_right() -> None:
    rows = [
        DemoRow("intent", "a", "book a room", "book_hotel", "label", "book_hotel"),
        DemoRow("slots", "b", "a room in Lima", "city = Lima", "spans", ""),
        DemoRow("answer", "c", "他" * 60, "北京", "text", "上海"),
    ]
    assert table(rows, width=40) == [
        "intent", "  ✓ book a room", "      → book_hotel",
        "", "slots", "  ✗ a room in Lima", "      → –", "        expected: city = Lima",
        "", "answer", f"  ✗ {'他' * 17}…", "      → 上海", "        expected: 北京",
    ]  # fmt: skip
