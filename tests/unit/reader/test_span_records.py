"""`seq_label` on texts with spans: words, tags and offsets; bad spans are refused or left out, counted."""

import json

import pytest

from palm.errors import ConfigError, DataError
from palm.reader.loading import load_dataset, load_rows
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig

ROWS = [
    {"text": "the cat, sat.", "label": [[4, 7, "x"]]},
    {"text": "我爱 北京", "label": [[3, 5, "y"]]},
]


@pytest.fixture
def load(tokenizer, write):
    def load_file(rows, phase="train", labels=None, name="x.jsonl", **keys):
        text = rows if isinstance(rows, str) else "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        reader = TaggingReader(TaggingReaderConfig(**keys), tokenizer, labels)
        return load_dataset(reader, write(name, text), phase), reader

    return load_file


def test_records(load):
    dataset, reader = load(ROWS)
    assert dataset.records == [
        {
            "line": 1,
            "words": ["the", "cat", ",", "sat", "."],
            "labels": ["O", "B-x", "O", "O", "O"],
            "text": "the cat, sat.",
            "offsets": [[0, 3], [4, 7], [7, 8], [9, 12], [12, 13]],
        },
        {
            "line": 2,
            "words": ["我", "爱", "北", "京"],
            "labels": ["O", "O", "B-y", "I-y"],
            "text": "我爱 北京",
            "offsets": [[0, 1], [1, 2], [3, 4], [4, 5]],
        },
    ]
    assert dataset.notes == ("spans of characters in the form of doccano; they become tags of words.",)
    assert reader.labels.names == ("B-x", "B-y", "I-y", "O")
    assert (reader.labels.tag_scheme, reader.labels.splits_text) == ("bio", True)


def test_texts_to_predict_are_split_as_those_of_training(load, tokenizer):
    _, trained = load(ROWS)
    found, _ = load([{"text": "the cat."}], "predict", trained.labels)
    assert [record["words"] for record in found.records] == [["the", "cat", "."]]
    reader = TaggingReader(TaggingReaderConfig(), tokenizer, trained.labels)
    for rows in (["the cat."], [{"text_a": "the cat."}]):
        (record,) = load_rows(reader, rows, "predict").records
        assert record == {
            "line": 1,
            "words": ["the", "cat", "."],
            "text": "the cat.",
            "offsets": [[0, 3], [4, 7], [7, 8]],
        }
    (record,) = load_rows(reader, [{"text_a": ["the", "cat."]}], "predict").records
    assert record == {"line": 1, "words": ["the", "cat."]}
    found, _ = load("text_a\nthe cat.\n", "predict", trained.labels, name="x.tsv")
    assert found.records[0]["words"] == ["the", "cat", "."]


def test_texts_are_split_at_blanks_after_training_on_words(load, tokenizer):
    _, trained = load("text_a\tlabel\nthe cat\tO B-x\n", name="x.tsv")
    reader = TaggingReader(TaggingReaderConfig(), tokenizer, trained.labels)
    assert load_rows(reader, ["the cat."], "predict").records == [{"line": 1, "words": ["the", "cat."]}]


def test_the_scheme_that_is_set(load):
    dataset, reader = load(ROWS, tag_scheme="bmes")
    assert [record["labels"][-1] for record in dataset.records] == ["O", "E-y"]
    assert reader.labels.tag_scheme == "bmes"
    with pytest.raises(ConfigError, match=r"spans of characters become tags of the schemes bio, .*, found `ioe1`"):
        load(ROWS, tag_scheme="ioe1")


BAD = [
    *ROWS,
    {"text": "the cat", "label": [[0, 2, "x"], [4, 7, "x"]]},
    {"text": "a b", "label": [[1, 1, "x"], [0, 9, "x"]]},
]


def test_bad_spans_are_refused_with_their_lines(load):
    with pytest.raises(DataError) as caught:
        load(BAD)
    assert [str(problem).split("x.jsonl:")[1] for problem in caught.value.problems] == [
        "3: the span `th` (0 to 2, x) cuts the word `the`. Correct it, or set on_bad_span: drop.",
        "4: the span `a b` (0 to 9, x) is not in the text of 3 characters. Correct it, or set on_bad_span: drop.",
        "4: the span `` (1 to 1, x) is empty. Correct it, or set on_bad_span: drop.",
    ]


def test_bad_spans_are_left_out_and_counted(load):
    dataset, _ = load(BAD, on_bad_span="drop")
    assert [record["labels"] for record in dataset.records[2:]] == [["O", "B-x"], ["O", "O"]]
    assert (
        "on_bad_span left out 3 spans, such as line 3: the span `th` (0 to 2, x) cuts the word `the`." in dataset.notes
    )


def test_rows_without_words_are_refused_or_left_out(load):
    with pytest.raises(DataError, match=r"x\.jsonl:1: a text must contain words, found none"):
        load([{"text": " ", "label": []}])
    dataset, _ = load([{"text": " ", "label": []}, *ROWS], skip_empty_text=True)
    assert [record["line"] for record in dataset.records] == [2, 3]
    assert "1 row is left out (skip_empty_text: no text_a), line 1." in dataset.notes


def test_texts_without_annotation_are_refused_or_left_out(load):
    with pytest.raises(DataError, match=r"x\.jsonl:3: a text must be annotated, found one without spans"):
        load([*ROWS, {"text": "the cat"}])
    dataset, trained = load([*ROWS, {"text": "the cat"}], on_missing_label="leave_out")
    assert len(dataset.records) == 2
    assert "1 row is left out (on_missing_label: no label), line 3." in dataset.notes
    assert len(load([*ROWS, {"text": "the cat"}], "predict", trained.labels)[0].records) == 3


def test_texts_with_certain_tags_are_left_out(load):
    dataset, _ = load(ROWS, leave_out_labels=["B-y"])
    assert [record["line"] for record in dataset.records] == [1]


def test_a_file_without_rows_is_refused(load):
    with pytest.raises(DataError, match=r"x\.json: a data file must contain examples"):
        load("[]", name="x.json", file_format="spans")


def test_a_file_to_predict_may_have_bad_spans(load):
    _, trained = load(ROWS)
    dataset, _ = load(BAD, "predict", trained.labels)
    assert ["labels" in record for record in dataset.records] == [True, True, False, False]


def test_chinese_mode_makes_each_character_a_word(load):
    dataset, _ = load([{"text": "去NBA", "label": {"org": {"NBA": [[1, 3]]}}}], name="x.json", for_cn=True)
    assert dataset.records[0]["labels"] == ["O", "B-org", "I-org", "I-org"]
