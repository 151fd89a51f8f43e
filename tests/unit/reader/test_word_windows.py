"""Sentences in words become windows of tokens with the ids of their words' labels."""

import pytest

from palm.data.dataset import LabelMap
from palm.errors import DataError
from palm.reader.fields import LabelledFields
from palm.reader.word_windows import windows_with_records, word_columns, word_label_ids

RECORDS = [
    {"line": 1, "words": ["the", "cats", "sat"], "labels": ["x", "y", "x"]},
    {"line": 5, "words": ["我"], "labels": ["y"]},
]
KNOWN = LabelMap(("x", "y"))


class Config(LabelledFields):
    known_columns = ("text_a", "label")


def test_a_sentence_has_as_many_windows_as_it_needs(tokenizer, ids):
    columns = word_columns(RECORDS, tokenizer, 5)
    rows = [columns["token_ids"][row].tolist() for row in range(3)]
    assert rows == [ids("[CLS] the cat ##s [SEP]"), ids("[CLS] sat [SEP]"), ids("[CLS] 我 [SEP]")]
    assert [(index.tolist(), record) for index, record in windows_with_records(columns)] == [
        ([-1, 0, 1, -1, -1], 0), ([-1, 2, -1], 0), ([-1, 0, -1], 1),
    ]  # fmt: skip


def test_each_word_has_the_id_of_its_label():
    found, notes = word_label_ids(RECORDS, KNOWN, Config(), "rows", "train")
    assert [row.tolist() for row in found] == [[0, 1, 0], [1]]
    assert notes == ()


def test_an_unknown_label_is_named_or_counts_as_wrong(tmp_path):
    with pytest.raises(DataError, match=r"树\.conllu:5: label out of range"):
        word_label_ids(RECORDS, LabelMap(("x", "z")), Config(), tmp_path / "树.conllu", "eval")
    lenient = Config(on_unknown_label="count_as_wrong")
    found, notes = word_label_ids(RECORDS, LabelMap(("x",)), lenient, tmp_path / "树.conllu", "eval")
    assert [row.tolist() for row in found] == [[0, -100, 0], [-100]]
    assert notes == ("2 labels that are not in the training file count as wrong (y).",)


def test_labels_are_learnt_before():
    with pytest.raises(ValueError, match="Found `labels = None`"):
        word_label_ids(RECORDS, None, Config(), "rows", "train")
