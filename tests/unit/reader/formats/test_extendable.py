"""Files that are written again with more rows: content as it was, rows in the same format, or refused."""

import json

import pytest

from palm.errors import DataError
from palm.reader.formats.extendable import open_extendable


def write(folder, name, content, encoding="utf-8"):
    file = folder / name
    file.write_bytes(content.encode(encoding))
    return file


@pytest.mark.parametrize(
    ("name", "content", "columns", "changed", "added"),
    [
        ("x.txt", "大红鱼\t水\n鸟\t天\n", ["text_a"], {"text_a": "大鱼"}, "大鱼\t水\n"),
        ("x.txt", "大红鱼\n鸟", ["text_a"], {"text_a": "大鱼"}, "\n大鱼\n"),
        ("x.txt", "label\ttext\nwater\tred fish\n", ["text"], {"text": "fish"}, "water\tfish\n"),
        ("x.tsv", "label\ttext_a\r\nw\ta b\r\n\r\n", ["text_a"], {"text_a": "b a"}, "w\tb a\r\n"),
        ("x.tsv", 'label\ttext_a\nw\ta "b\n', ["text_a"], {"text_a": '"b a'}, 'w\t"b a\n'),
        ("x.csv", 'id;text;label\n1;"a; b";w\n', ["text"], {"text": 'b"; a'}, '1;"b""; a";w\n'),
        (
            "x.csv",
            "sentence1,sentence2,label\na b,c,1\n",
            ["sentence1", "sentence2"],
            {"sentence1": "b a"},
            "b a,c,1\n",
        ),
        (
            "x.json",
            '{"label": 102, "sentence": "大鱼", "id": 7}\n',
            ["sentence"],
            {"sentence": "鱼"},
            '{"label": 102, "sentence": "鱼", "id": 7, "augmented": true}\n',
        ),
    ],
)
def test_a_file_with_one_more_row(tmp_path, name, content, columns, changed, added):
    found = open_extendable(write(tmp_path, name, content))
    assert found.text_columns(None) == columns
    text = found.extended([{**found.rows[0], **changed}])
    assert text.startswith(content.rstrip("\r\n"))
    assert text.endswith(added)
    assert text.count("\n") == len(content.rstrip("\r\n").splitlines()) + 1
    again = open_extendable(write(tmp_path, f"again{name[1:]}", text))
    assert len(again.rows) == len(found.rows) + 1
    assert {column: again.rows[-1][column] for column in changed} == changed


def test_no_rows_leave_the_content(tmp_path):
    assert open_extendable(write(tmp_path, "x.txt", "鱼\t水\n")).extended([]) == "鱼\t水\n"


def test_columns_without_names_are_numbers(tmp_path):
    found = open_extendable(write(tmp_path, "x.tsv", "w\ta b\nw\tc\n"), header=False)
    assert found.columns == ("0", "1")
    assert found.text_columns(["1"]) == ["1"]
    assert len(found.rows) == 2


def test_another_encoding(tmp_path):
    found = open_extendable(write(tmp_path, "x.txt", "大红鱼\t水\n", "gb18030"), encoding="gb18030")
    assert found.rows == [{"text_a": "大红鱼", "label": "水"}]


def test_palm_names_stand_for_names_that_people_use(tmp_path):
    found = open_extendable(write(tmp_path, "x.jsonl", json.dumps({"sentence": "a", "label": "b"}) + "\n"))
    assert found.text_columns(["text_a"]) == ["sentence"]
    with pytest.raises(DataError, match=r"no column `text`\. Found sentence, label\. Name those with texts"):
        found.text_columns(["text"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.conll", "a O\n", "found `.conll`"),
        ("x.parquet", "x", "found `.parquet`"),
        ("x.txt", "a/O b/B-x\nc/O d/O\n", "Found `word/TAG`"),
        ("x.txt", "a\tO\n\nb\tO\n", "x.txt:2: a line must contain one example"),
        ("x.txt", "a\tb\tc\n", "x.txt:1: a line of a txt file is a text, or text, tab and label; found 2 tabs"),
        ("x.tsv", "text_a\tlabel\na b\tO B-x\nc d e\tO O O\n", "as many labels as words in every row"),
        ("x.tsv", "text_a\tlabel\na\x02b\tO\x02B-x\n", r"words separated by \\x02"),
        ("x.tsv", "text_a\tner_tags\na b\tO\n", "the column `ner_tags`"),
        ("x.tsv", "text_a\tlabel\na\n", "x.tsv:2: expected 2 columns, found 1"),
        ("x.csv", "text,text,label\na,b,c\n", "`text` twice"),
        ("x.jsonl", '{"text": "a", "spans": [[0, 1]]}\n', "the field `spans`"),
        ("x.jsonl", '{"text": "a", "target": {"span1_index": 0}, "label": "true"}\n', "the field `target`"),
        ("x.json", '{"version": "1.1", "data": [{"paragraphs": []}]}\n', "found a single document"),
        ("x.json", '[{"text": "a", "label": "b"}]\n', "found a single document"),
        ("x.jsonl", '{"text": "a"}\n{"text"\n', "x.jsonl:2: a line must be a JSON object"),
        ("x.txt", "", "found an empty file"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        open_extendable(write(tmp_path, name, content))


def test_lists_of_words_and_numbers_are_no_texts(tmp_path):
    rows = [{"tokens": ["a"], "label": "x", "n": 1}]
    found = open_extendable(write(tmp_path, "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    with pytest.raises(DataError, match="a list of words in `tokens`, row 1"):
        found.text_columns(["tokens"])
    with pytest.raises(DataError, match="`n` must be text, found a number"):
        found.text_columns(["n"])
