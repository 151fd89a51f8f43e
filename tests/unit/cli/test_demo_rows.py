"""The rows that `palm demo` shows, and how they are shown."""

import pytest

from palm.cli.demo_folder import DATA, PACKAGED
from palm.cli.demo_rows import ROWS_OF_TASK, TASKS, DemoRow, demo_rows, table


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_rows_are_the_first_of_the_test_file(language: str, task: str) -> None:
    rows = demo_rows(PACKAGED / language / DATA, task)
    assert len(rows) == ROWS_OF_TASK
    assert all(row.task == task and row.text and row.gold for row in rows)
    assert not any(row.is_right for row in rows)


def test_a_prediction_is_right_when_it_says_what_the_gold_says() -> None:
    [row, *_] = demo_rows(PACKAGED / "en" / DATA, "slots")
    assert row.gold == "company = Kestrel, from_city = Hong Kong, to_city = Lima"
    tags = ["O"] * 7 + ["B-company", "O", "O", "O", "B-from_city", "I-from_city", "O", "B-to_city"] + ["O"] * 6
    words = str(row.row).split()
    assert row.predicted({"words": words, "labels": tags}).is_right
    assert not row.predicted({"words": words, "labels": ["O"] * len(words)}).is_right


def test_chinese_spans_have_no_blanks() -> None:
    rows = demo_rows(PACKAGED / "zh" / DATA, "slots")
    assert all(" " not in row.text for row in rows)
    assert all(" = " in row.gold for row in rows)


def test_the_table_marks_what_is_wrong_and_says_what_is_right() -> None:
    rows = [
        DemoRow("intent", "a", "book a room", "book_hotel", "book_hotel"),
        DemoRow("slots", "b", "a room in Lima", "city = Lima", ""),
        DemoRow("answer", "c", "他" * 60, "北京", "上海"),
    ]
    assert table(rows, width=40) == [
        "intent", "  ✓ book a room", "      → book_hotel",
        "", "slots", "  ✗ a room in Lima", "      → –", "        expected: city = Lima",
        "", "answer", f"  ✗ {'他' * 17}…", "      → 上海", "        expected: 北京",
    ]  # fmt: skip
