"""`spans` reads spans of characters that lie within each other, and says which the model cannot see."""

import json

import numpy as np
import pytest

from palm.data.dataset import LabelMap
from palm.errors import DataError
from palm.reader.loading import load_dataset, load_rows
from palm.reader.spans import SpanReader, SpanReaderConfig

ROWS = [
    {"text": "the cat sat.", "label": [[0, 7, "animal"], [4, 7, "noun"], [0, 11, "clause"]]},
    {"text": "我爱 北京", "label": [[3, 5, "place"]]},
]


@pytest.fixture
def load(tokenizer, write):
    def load_file(rows, phase="train", labels=None, name="嵌套.jsonl", **keys):
        text = rows if isinstance(rows, str) else "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        reader = SpanReader(SpanReaderConfig(**keys), tokenizer, labels)
        return load_dataset(reader, write(name, text), phase), reader

    return load_file


def span(start, end, kind):
    return {"start": start, "end": end, "type": kind}


def labels_of(dataset):
    return [
        row.reshape(-1, 3).tolist() for row in (dataset.ragged("span_labels")[n] for n in range(dataset.num_examples))
    ]


def test_records_and_tokens_of_spans_within_each_other(load, ids):
    dataset, reader = load(ROWS)
    assert list(dataset.records) == [
        {
            "line": 1,
            "text_a": "the cat sat.",
            "label": [span(0, 11, "clause"), span(0, 7, "animal"), span(4, 7, "noun")],
        },
        {"line": 2, "text_a": "我爱 北京", "label": [span(3, 5, "place")]},
    ]
    assert reader.labels.names == ("animal", "clause", "noun", "place")
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] the cat sat . [SEP]")
    assert labels_of(dataset) == [[[1, 3, 1], [1, 2, 0], [2, 2, 2]], [[3, 4, 3]]]
    assert dataset.ragged("token_start")[0].tolist() == [-1, 0, 4, 8, 11, -1]
    assert dataset.ragged("token_end")[0].tolist() == [-1, 3, 7, 11, 12, -1]
    assert dataset.notes == ("spans of characters in the form of doccano; spans may lie within each other.",)
    batch = reader.collate(dataset, np.arange(2), np.random.default_rng(0))
    assert batch["span_labels"].tolist() == [
        [[1, 3, 1], [1, 2, 0], [2, 2, 2]],
        [[3, 4, 3], [-100, -100, -100], [-100, -100, -100]],
    ]
    assert reader.label_counts(dataset) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "北京的我", "label": {"地点": {"北京": [[0, 1]]}, "名": {"北京的我": [[0, 3]]}}},
        {"text": "北京的我", "entities": [
            {"start_offset": 0, "end_offset": 4, "label": "名"},
            {"start_offset": 0, "end_offset": 2, "label": "地点"}]},
        ["北京的我", {"entities": [[0, 2, "地点"], [0, 4, "名"]]}],
        {"data": {"text": "北京的我"}, "annotations": [{"result": [
            {"value": {"start": 0, "end": 2, "labels": ["地点"]}},
            {"value": {"start": 0, "end": 4, "labels": ["名"]}}]}]},
        {"text_a": "北京的我", "label": [[0, 2, "地点"], [0, 4, "名"], [0, 4, "名"]]},
    ],
)  # fmt: skip
def test_every_form_of_texts_with_spans(load, row):
    for dataset, _ in (load([row]), load(json.dumps([row, row][:1]), name="x.json"), load([row], file_format="spans")):
        [record] = dataset.records
        assert record["label"] == [span(0, 4, "名"), span(0, 2, "地点")]


def test_rows_of_a_program_and_of_tables(tokenizer, load):
    reader = SpanReader(SpanReaderConfig(), tokenizer)
    rows = [{"text_a": "the cat", "label": [[0, 7, "x"], [4, 7, "y"]]}, {"text_a": "我", "label": []}]
    dataset = load_rows(reader, rows, "train")
    assert [record["label"] for record in dataset.records] == [[span(0, 7, "x"), span(4, 7, "y")], []]
    found, _ = load("text_a\nthe cat\n我\n", "predict", name="x.tsv")
    assert [record["text_a"] for record in found.records] == ["the cat", "我"]
    assert "span_labels" not in found.columns
    with pytest.raises(DataError, match=r"嵌套.csv:2: spans must be a list, found a string `\[\[0, 3, x\]\]`"):
        load('text_a,label\nthe cat,"[[0, 3, x]]"\n', name="嵌套.csv")


def test_blanks_at_the_edges_are_none_of_a_span(load):
    dataset, _ = load([{"text": "the cat sat", "label": [[3, 8, "x"], [4, 7, "x"]]}])
    assert dataset.records[0]["label"] == [span(4, 7, "x")]


BAD = [
    ([3, 3, "x"], "the span `` (3 to 3, x) is empty."),
    ([5, 2, "x"], "is empty."),
    ([4, 99, "x"], "the span `cat` (4 to 99, x) is not in the text of 7 characters."),
    ([-2, 3, "x"], "is not in the text of 7 characters."),
    ([3, 4, "x"], "the span ` ` (3 to 4, x) holds no word."),
    ([0, "3", "x"], "a span must be a start, an end and one label, found"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_a_span_that_does_not_fit_is_refused_or_counted(load, bad, message):
    rows = [ROWS[1], {"text": "the cat", "label": [[0, 3, "x"], bad]}]
    with pytest.raises(DataError) as caught:
        load(rows)
    assert str(caught.value).startswith(f"{caught.value.problems[0].where}: ")
    assert caught.value.problems[0].where.endswith("嵌套.jsonl:2")
    assert message in str(caught.value)
    assert str(caught.value).endswith("Correct it, or set on_bad_span: drop.")
    dataset, _ = load(rows, on_bad_span="drop")
    assert dataset.records[1]["label"] == [span(0, 3, "x")]
    assert "on_bad_span left out 1 span, such as line 2:" in dataset.notes[1]


def test_a_text_without_annotation_is_refused_and_one_without_spans_is_not(load):
    rows = [*ROWS, {"text": "the cat"}, {"text": "我", "label": []}]
    with pytest.raises(DataError, match=r"3: a text must be annotated, found one without spans\."):
        load(rows)
    dataset, _ = load(rows, on_missing_label="leave_out")
    assert [record["line"] for record in dataset.records] == [1, 2, 4]
    dataset, _ = load([rows[0], rows[3]], leave_out_labels=["noun"], on_missing_label="leave_out")
    assert [record["line"] for record in dataset.records] == [2]
    with pytest.raises(DataError, match="3: `text_a` must contain text, found it empty"):
        load([*ROWS, {"text": "", "label": []}])


def test_a_span_that_begins_or_ends_inside_a_token_is_widened_and_said(load):
    dataset, _ = load([{"text": "the cats sat", "label": [[5, 7, "x"], [0, 3, "x"], [4, 8, "y"]]}])
    assert sorted(labels_of(dataset)[0]) == [[1, 1, 0], [2, 2, 0], [2, 3, 1]]
    assert dataset.records[0]["label"][-1] == span(5, 7, "x")
    assert dataset.notes[1:] == (
        "1 of 3 spans begin or end inside a token, such as `at` of `cat` in line 1. The model learns the whole tokens, "
        "and such a prediction counts as wrong.",
    )


def test_a_span_without_a_token_is_said(load):
    dataset, _ = load([{"text": "the \u0007 cat", "label": [[4, 5, "x"], [6, 9, "x"]]}])
    assert labels_of(dataset) == [[[2, 2, 0]]]
    assert dataset.notes[1:] == ("1 of 2 spans hold no token, such as `\\x07` in line 1. They count as missed.",)


def test_windows_hold_every_span_that_is_not_longer_than_half_of_them(load):
    text = "abcdefgh" * 3
    spaced = " ".join(text)
    for length in (1, 3, 4):
        spans = [[2 * start, 2 * (start + length) - 1, "x"] for start in range(len(text) - length + 1)]
        dataset, _ = load([{"text": spaced, "label": spans}], max_seq_len=8)
        assert dataset.notes[1:] == ()
        seen = set()
        for row, found in enumerate(labels_of(dataset)):
            starts, ends = dataset.ragged("token_start")[row], dataset.ragged("token_end")[row]
            seen |= {(int(starts[first]), int(ends[last])) for first, last, _ in found}
            first = int(dataset.array("window_start")[row])
            places = [(first + place) * 2 for place in np.flatnonzero(starts >= 0)]
            assert starts[starts >= 0].tolist() == places
        assert seen == {(start, end) for start, end, _ in spans}
        assert dataset.lengths.max() == 8


def test_a_span_that_no_window_holds_is_said(load):
    spaced = " ".join("abcdefgh")
    dataset, _ = load([{"text": spaced, "label": [[0, 15, "长"], [0, 1, "y"]]}], max_seq_len=8)
    assert dataset.notes[1:] == (
        "1 of 2 spans fit in no window of 6 tokens, such as `a b c d e f g h` in line 1. They are not learnt, and "
        "count as missed. Raise max_seq_len.",
    )
    assert dataset.records[0]["label"][0] == span(0, 15, "长")


def test_types_that_are_not_in_the_training_file(load):
    labels = LabelMap(("animal", "clause", "noun"))
    with pytest.raises(DataError, match="2: label out of range: the 3 labels are animal, clause, noun, found `place`"):
        load(ROWS, "eval", labels)
    dataset, _ = load(ROWS, "eval", labels, on_unknown_label="count_as_wrong")
    assert labels_of(dataset)[1] == []
    assert dataset.records[1]["label"] == [span(3, 5, "place")]
    assert "1 label that is not in the training file counts as wrong (place)." in dataset.notes


def test_predictions_keep_the_row_and_its_gold(load):
    rows = [{"id": 7, "text": "the cat", "url": "u", "label": [[0, 3, "x"]]}, {"text": "我"}, {"text": "", "label": []}]
    dataset, reader = load(rows, "predict", LabelMap(("x",)), keep_columns="url")
    assert [reader.row_of(record) for record in dataset.records] == [
        {"id": 7, "url": "u", "text_a": "the cat", "gold": [span(0, 3, "x")]},
        {"text_a": "我"},
        {"text_a": "", "gold": []},
    ]


ENTITIES = [
    {"id": 11, "label": "ORG", "start_offset": 0, "end_offset": 4},
    {"id": 12, "label": "地点", "start_offset": 0, "end_offset": 2},
    {"id": 15, "label": "人", "start_offset": 5, "end_offset": 7},
]
RELATED = {"text": "北京大学的李明", "entities": ENTITIES}
DOCCANO = [{"id": 1, "from_id": 15, "to_id": 11, "type": "属于"}, {"id": 2, "from_id": 11, "to_id": 12, "type": "位于"}]


@pytest.mark.parametrize("relations", [DOCCANO, [*DOCCANO, DOCCANO[0]], [[2, 0, "属于"], [0, 1, "位于"]]])
def test_relations_of_doccano_and_by_the_numbers_of_spans(load, relations):
    dataset, reader = load([{**RELATED, "relations": relations}, {**RELATED, "relations": []}, RELATED])
    assert dataset.records[0]["relations"] == [
        {"head": 0, "tail": 1, "type": "位于"}, {"head": 2, "tail": 0, "type": "属于"},
    ]  # fmt: skip
    assert dataset.records[1]["relations"] == []
    assert "relations" not in dataset.records[2]
    assert reader.labels.relations == ("位于", "属于")
    batch = reader.collate(dataset, np.arange(3), np.random.default_rng(0))
    assert batch["relation_labels"].tolist() == [[[0, 1, 0], [2, 0, 1]], *[[[-100] * 3] * 2] * 2]
    assert reader.gold_label(dataset.records[0])["relations"] == dataset.records[0]["relations"]


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        ({"from_id": 15, "to_id": 99, "type": "x"}, "a relation must be between two spans of its text, found"),
        ([0, 0, "x"], "a relation must be between two spans of its text, found"),
        ([0, 7, "x"], "a relation must be between two spans of its text, found"),
        ([0, "1", "x"], "a relation must be two spans and one label, found"),
        ("x", "a relation must be two spans and one label, found"),
    ],
)
def test_a_relation_that_does_not_fit_is_refused_or_counted(load, relation, message):
    rows = [{**RELATED, "relations": [*DOCCANO, relation]}]
    with pytest.raises(DataError) as caught:
        load(rows)
    assert message in str(caught.value)
    dataset, _ = load(rows, on_bad_span="drop")
    assert len(dataset.records[0]["relations"]) == 2
    assert "on_bad_span left out 1 span" in dataset.notes[1]


def test_a_relation_of_a_span_that_does_not_fit(load):
    rows = [{"text": "the cat", "label": [[0, 3, "x"], [4, 99, "y"]], "relations": [[0, 1, "r"]]}]
    with pytest.raises(DataError, match="the relation `r` of `the` and `cat` has a span that is left out"):
        load(rows)


def test_a_relation_whose_spans_share_no_window_is_said(load):
    spaced = " ".join("abcdefgh" * 2)
    near, far = [[0, 1, "x"], [4, 5, "x"], [30, 31, "x"]], [[0, 1, "r"], [0, 2, "r"]]
    dataset, _ = load([{"text": spaced, "label": near, "relations": far}], max_seq_len=8)
    assert dataset.notes[1:] == (
        "1 of 2 relations have no window that holds both spans, such as `a` and `h` in line 1. They are not learnt, "
        "and count as missed.",
    )
    found = dataset.ragged("relation_labels")
    assert [found[row].tolist() for row in range(len(found))] == [[0, 1, 0], *[[]] * (len(found) - 1)]


def test_relations_that_are_not_in_the_training_file(load):
    rows = [{**RELATED, "relations": DOCCANO}]
    labels = LabelMap(("ORG", "人", "地点"), relations=("位于",))
    with pytest.raises(DataError, match="label out of range: the 1 label is 位于, found `属于`"):
        load(rows, "eval", labels)
    dataset, _ = load(rows, "eval", labels, on_unknown_label="count_as_wrong")
    assert dataset.ragged("relation_labels")[0].tolist() == [0, 1, 0]
