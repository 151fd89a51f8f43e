"""What readers say of themselves and of their records to general modules."""

import pytest

from palm.reader import READERS

QUESTION = {"id": "q", "question": "who", "context": "the cat", "answers": [{"text": "cat", "answer_start": 1}]}


@pytest.mark.parametrize(
    ("name", "record", "texts", "labels"),
    [
        ("cls", {"text_a": "the cat", "label": "a", "line": 2}, ("the cat",), ["a"]),
        ("cls", {"text_a": "the cat", "label": ["a", "b"], "line": 2}, ("the cat",), ["a", "b"]),
        ("cls", {"text_a": "the cat", "label": 0.5, "line": 2}, ("the cat",), ["0.5"]),
        ("match", {"text_a": "the", "text_b": "cat", "label": "1", "line": 2}, ("the", "cat"), ["1"]),
        ("mlm", {"text_a": "the cat", "line": 2}, ("the cat",), []),
        ("seq_label", {"words": ["the", "cat"], "labels": ["O", "B-x"], "line": 2}, ("the cat",), ["O", "B-x"]),
        ("seq_label", {"words": ["the", "cat"], "line": 2}, ("the cat",), []),
        ("choice", {"text_a": "the", "choices": ["cat", "mat"], "label": "0", "line": 2}, ("the", "cat", "mat"), ["0"]),
        ("mrc", QUESTION, ("who", "the cat"), []),
    ],
)
def test_texts_and_labels_of_a_record(tokenizer, name, record, texts, labels):
    reader = READERS[name](READERS[name].Config(), tokenizer)
    assert reader.texts_of(record) == texts
    assert reader.labels_of(record) == labels


def test_of_several_candidates_the_longest_is_in_the_longest_sequence(tokenizer):
    reader = READERS["choice"](READERS["choice"].Config(), tokenizer)
    assert reader.longest_sequence_of({"text_a": "the", "choices": ["cat", "the mat"]}) == ("the", "the mat")


def test_answers_that_are_elsewhere(tokenizer):
    reader = READERS["mrc"](READERS["mrc"].Config(), tokenizer)
    remark = reader.remarks([QUESTION, QUESTION | {"id": "p", "answers": [{"text": "cat", "answer_start": 4}]}])
    assert list(remark) == ["bad answers"]
    assert remark["bad answers"].startswith("1 of 2, such as question q: answer text `cat` is not at answer_start 1")


def test_rows_and_windows():
    assert {name for name in READERS if not READERS[name].one_text_per_row} == {
        "choice",
        "embed",
        "embed_pairs",
        "mlm",
        "pairwise_match",
        "prompt",
        "rank",
    }
    assert {name for name in READERS if READERS[name].splits_long_texts} == {"mrc", "parse", "seq_label", "spans"}
    assert {name: READERS[name].record_unit for name in ("cls", "mrc")} == {"cls": "lines", "mrc": "questions"}
