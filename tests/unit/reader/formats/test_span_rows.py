"""Rows with spans as doccano, Label Studio, spaCy and CLUENER write them."""

import pytest

from palm.reader.formats.span_rows import TextSpan, has_spans, is_text_alone, span_text

TEXT = "安娜去New York"
SPANS = [TextSpan(0, 2, "PER"), TextSpan(3, 11, "LOC")]
LABEL_STUDIO = {
    "id": 1,
    "data": {"text": TEXT, "id": 7},
    "annotations": [
        {"was_cancelled": True, "result": []},
        {
            "result": [
                {"type": "labels", "value": {"start": 0, "end": 2, "text": "安娜", "labels": ["PER"]}},
                {"type": "labels", "value": {"start": 3, "end": 11, "text": "New York", "labels": ["LOC"]}},
                {"type": "choices", "value": {"choices": ["x"]}},
            ]
        },
    ],
}


@pytest.mark.parametrize(
    ("row", "form", "ignored"),
    [
        ({"id": 1, "text": TEXT, "label": [[0, 2, "PER"], [3, 11, "LOC"]]}, "doccano", 0),
        ({"data": TEXT, "labels": [[0, 2, "PER"], [3, 11, "LOC"]]}, "doccano", 0),
        (
            {
                "text": TEXT,
                "entities": [
                    {"id": 3, "label": "PER", "start_offset": 0, "end_offset": 2},
                    {"id": 4, "label": "LOC", "start_offset": 3, "end_offset": 11},
                ],
                "relations": [],
            },
            "doccano",
            0,
        ),
        (
            {"text": TEXT, "spans": [{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 11, "label": "LOC"}]},
            "doccano",
            0,
        ),
        (
            # Label Studio's JSON_MIN
            {
                "text": TEXT,
                "label": [
                    {"start": 0, "end": 2, "text": "安娜", "labels": ["PER"]},
                    {"start": 3, "end": 11, "text": "New York", "labels": ["LOC"]},
                ],
            },
            "doccano",
            0,
        ),
        (LABEL_STUDIO, "Label Studio", 1),
        ([TEXT, {"entities": [[0, 2, "PER"], [3, 11, "LOC"]]}], "spaCy", 0),
        ({"text": TEXT, "label": {"LOC": {"New York": [[3, 10]]}, "PER": {"安娜": [[0, 1]]}}}, "CLUENER", 0),
        ({"句子": TEXT, "实体": [[0, 2, "PER"], [3, 11, "LOC"]]}, "doccano", 0),
    ],
)
def test_forms(row, form, ignored):
    names = ("句子", "实体") if "句子" in row else ("text_a", "label")
    assert has_spans(row, *names)
    found = span_text(row, *names)
    assert (found.text, found.spans, found.faults) == (TEXT, SPANS, [])
    assert (found.form, found.ignored) == (form, ignored)


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "label": []},
        {"text": TEXT, "label": {}},
        {"text": TEXT, "entities": []},
        [TEXT, {"entities": []}],
        {"data": {"text": TEXT}, "annotations": [{"result": []}]},
    ],
)
def test_texts_without_any_span(row):
    assert has_spans(row, "text_a", "label")
    assert span_text(row, "text_a", "label").spans == []


@pytest.mark.parametrize(
    "row", [{"text": TEXT}, {"text": TEXT, "label": None}, {"data": {"text": TEXT}, "annotations": []}]
)
def test_texts_that_are_not_annotated(row):
    found = span_text(row, "text_a", "label")
    assert (found.text, found.spans) == (TEXT, None)


@pytest.mark.parametrize(
    "row",
    [
        {"text_a": "the cat", "label": "O O"},
        {"text_a": ["the", "cat"], "label": ["O", "O"]},
        {"tokens": ["the"], "ner_tags": [0]},
        {"text_a": "the cat", "label": []},
        {"text": "the cat", "label": "good"},
        {"text": ["the"], "label": []},
        ["the", "cat"],
        "the cat",
        None,
    ],
)
def test_rows_of_tables_are_none_of_these(row):
    assert not has_spans(row, "text_a", "label")


@pytest.mark.parametrize(
    ("row", "is_one"),
    [({"text": "x"}, True), ({"text_a": "x"}, False), ({"text": ["x"]}, False), ({"id": 1}, False), ("x", False)],
)
def test_a_text_alone(row, is_one):
    assert is_text_alone(row, "text_a") is is_one


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"text": TEXT, "label": [[0, 2]]}, "a span must be a start, an end and one label, found `[0, 2]`."),
        ({"text": TEXT, "label": [[0, 2, ""]]}, "a span must be a start, an end and one label, found"),
        ({"text": TEXT, "label": [["0", "2", "PER"]]}, "a span must be a start, an end and one label, found"),
        ({"text": TEXT, "label": [[True, 2, "PER"]]}, "a span must be a start, an end and one label, found"),
        ({"text": TEXT, "label": "PER"}, "spans must be a list, found a string `PER`."),
        (
            {"text": TEXT, "label": [{"start": 0, "end": 2, "labels": ["A", "B"]}]},
            "a span must be a start, an end and one label, found",
        ),
        (
            {"text": TEXT, "label": [{"start": 1, "end": 3, "text": "安娜", "labels": ["A"]}]},
            "a span must hold its text `安娜`, found `娜去` at 1 to 3.",
        ),
        (
            {"text": TEXT, "label": {"PER": {"安娜": [[1, 2]]}}},
            "a span must hold its text `安娜`, found `娜去` at 1 to 2.",
        ),
        ({"text": TEXT, "label": {"PER": {"安娜": [[0]]}}}, "a span must be [first, last] character, found `[0]`."),
        ({"text": TEXT, "label": {"PER": {"安娜": 3}}}, "a mention must have [[first, last]], found `3`."),
        ({"text": TEXT, "label": {"PER": 3}}, "a label must hold {mention: [[first, last]]}, found `3`."),
    ],
)
def test_faults(row, fault):
    found = span_text(row, "text_a", "label")
    assert found.spans == []
    assert fault in found.faults[0]


def test_last_characters_as_ends_are_recognised_by_the_text():
    found = span_text({"text": TEXT, "label": [{"start": 0, "end": 1, "text": "安娜", "labels": ["PER"]}]}, "", "")
    assert found.spans == SPANS[:1]


def test_offsets_of_a_browser_are_recognised_by_the_text():
    found = span_text(
        {"text": "😀😀 安娜", "label": [{"start": 5, "end": 7, "text": "安娜", "labels": ["PER"]}]}, "", ""
    )
    assert found.spans == [TextSpan(3, 5, "PER")]


@pytest.mark.parametrize("row", [3, None, {"id": 1}, {"data": {"a": "x", "b": "y"}, "annotations": []}, []])
def test_rows_without_text(row):
    found = span_text(row, "text_a", "label")
    assert found.text is None
    assert found.faults
