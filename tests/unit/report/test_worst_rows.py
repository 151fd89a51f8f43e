import pytest

pytest.importorskip("altair")
pytest.importorskip("sklearn.metrics")

from palm.locale.current import in_language
from palm.report.worst_rows import shown_remark, worst_rows
from tests.unit.report.analysed import an_analysis


def test_long_texts_are_cut_and_say_so():
    row = an_analysis().errors[0].model_copy(update={"columns": {"context": "长" * 5000}})
    table = worst_rows([row])
    assert table.rows[0][1].endswith("… (5,000 characters)")


def test_columns_without_a_value_are_left_out():
    row = an_analysis().errors[0].model_copy(update={"probability": None, "remark": "F1 0.50"})
    table = worst_rows([row])
    assert table.header == ["line", "text", "gold", "predicted", "loss", "what is wrong"]
    assert table.rows == [(3, "去<b>北京</b>", "水", "air", 1.5, "F1 0.50")]
    assert table.texts == {1, 2, 3, 5}


@pytest.mark.parametrize(
    ("remark", "shown"),
    [
        ("missed: PER the best; wrong boundary: LOC a → LOC a b", "漏标: PER the best; 边界错误: LOC a → LOC a b"),
        ("missing best; spurious task", "漏标 best; 误标 task"),
        ("3 of 7 tags wrong", "7 个标记中有 3 个错误"),
        ("F1 0.50", "F1 0.50"),
        ("spurious: X at step 3 of 4", "误标: X at step 3 of 4"),
    ],
)
def test_remarks_keep_the_texts_of_rows(remark, shown):
    with in_language("zh"):
        assert shown_remark(remark) == shown
