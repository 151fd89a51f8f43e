"""Lines `text<TAB>label` without a header, and what is wrong with others."""

import pytest

from palm.errors import DataError
from palm.reader.formats.files import FileProblems
from palm.reader.formats.labelled_lines import read_labelled_lines


@pytest.fixture
def read(tmp_path):
    def rows(content, phase="train", texts=("text_a",), *, needs_label=True):
        file = tmp_path / "train.txt"
        file.write_text(content, encoding="utf-8")
        problems = FileProblems(file)
        found = list(read_labelled_lines(file, texts, problems, phase, encoding="utf-8", needs_label=needs_label))
        problems.raise_all()
        return [(row.line, row.values) for row in found]

    return rows


def test_lines(read):
    assert read("文登区请注意绕行！\tnews_car\n普洱茶\tnews_culture\r\n") == [
        (1, {"text_a": "文登区请注意绕行！", "label": "news_car"}),
        (2, {"text_a": "普洱茶", "label": "news_culture"}),
    ]
    assert read("a\tb\tc\n", texts=("text_a", "text_b")) == [(1, {"text_a": "a", "text_b": "b", "label": "c"})]


def test_blank_lines_are_skipped_and_counted(read, caplog):
    assert [line for line, _ in read("\na\tb\n \n")] == [2]
    assert "train.txt: 2 blank lines are skipped." in caplog.text


def test_to_predict_every_line_is_a_text(read):
    found = read("a\n\nb\tc\n", "predict", needs_label=False)
    assert found == [(1, {"text_a": "a"}), (2, {"text_a": ""}), (3, {"text_a": "b", "label": "c"})]


def test_a_line_without_a_label(read):
    with pytest.raises(DataError, match=r"train\.txt:2: a line must be text_a and label.*found no label in `普洱茶`"):
        read("a\tb\n普洱茶\n")
    assert read("a\n", "eval", needs_label=False) == [(1, {"text_a": "a", "label": ""})]


def test_a_line_with_too_many_tabs(read):
    with pytest.raises(DataError, match=r"train\.txt:1: .*found 2 tabs in `a\\tb\\tc`"):
        read("a\tb\tc\n")
