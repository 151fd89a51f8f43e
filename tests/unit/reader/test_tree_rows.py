"""Rows of words, heads and relations are trees; a row whose heads are none is named."""

import pytest

from palm.errors import DataError
from palm.reader.loading import load_rows
from palm.reader.parse import ParseReader, ParseReaderConfig

CHINESE = {"words": "我 爱 北京", "heads": "2 0 2", "relations": "nsubj root obj"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"heads": [0], "label": ["root", "obj"]}, "every word needs one head, found 2 words and 1 head"),
        ({"heads": [0, 1], "label": ["root"]}, "every word needs one tag, found 2 words and 1 tag"),
        ({"heads": [0, 3], "label": ["root", "obj"]}, "a head is 0 or the number of a word of the sentence, up to 2"),
        ({"heads": [0, True], "label": ["root", "obj"]}, "a head is 0 or the number of a word of the sentence, up to"),
        ({"heads": [0, 1.0], "label": ["root", "obj"]}, "a head is 0 or the number of a word of the sentence, up to 2"),
        ({"heads": [0, 0], "label": ["root", "root"]}, "one word of a sentence has HEAD 0, found words 1, 2"),
        ({"text_a": "我 爱 你", "heads": [0, 3, 2], "label": ["root", "obj", "obj"]}, "found a cycle (2 → 3 → 2)"),
        ({"heads": [0, 1], "label": ["root", "root"]}, "is that of the word with HEAD 0"),
        ({"heads": {"a": 0}, "label": ["root", "obj"]}, "every word needs one head, found 2 words and 1 head"),
        ({"heads": None, "label": ["root", "obj"]}, "every word needs one head, found 2 words and 0 heads"),
        ({"heads": [0, 1], "label": []}, "`label` must contain text, found it empty"),
        ({"label": ["root", "obj"]}, "heads"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_tree_is_named(tokenizer, row, message):
    reader = ParseReader(ParseReaderConfig(), tokenizer)
    good = {"text_a": ["我", "爱"], "heads": [2, 0], "label": ["nsubj", "root"]}
    with pytest.raises(DataError) as caught:
        load_rows(reader, [good, {"text_a": ["爱", "北京"], **row}], "train")
    first = caught.value.problems[0]
    assert first.where == "rows[1]"
    assert message in first.message


def test_rows_to_predict_need_no_tree(tokenizer, caplog):
    reader = ParseReader(ParseReaderConfig(), tokenizer)
    given = [
        {"words": ["我", "爱"]},
        {"words": ["我", "爱"], "heads": [2, 0], "relations": ["nsubj", "root"]},
        {"words": ["我", "爱"], "heads": [2, 1], "relations": ["nsubj", "root"]},
        {"words": ["我", "爱"], "heads": None, "relations": None},
    ]
    data = load_rows(reader, given, "predict")
    gold = {"heads": [2, 0], "relations": ["nsubj", "root"]}
    assert [reader.gold_label(record) for record in data.records] == [None, gold, None, None]
    assert "the heads of 1 sentence make no tree, and are not kept as gold, such as line 3." in caplog.text


def test_rows_without_a_tree_are_left_out_on_request(tokenizer):
    reader = ParseReader(ParseReaderConfig(on_missing_label="leave_out"), tokenizer)
    rows = [CHINESE, CHINESE, {"words": ["我"], "heads": [], "relations": []}]
    assert len(load_rows(reader, rows, "train").records) == 2
