"""`match` rows become `[CLS] a [SEP] b [SEP]`; the longer text is cut first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.sequences import fit_pair
from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.match import MatchingReader, MatchingReaderConfig


@pytest.fixture
def load(tokenizer, write):
    def load_rows(*rows, phase="train", max_seq_len=8):
        reader = MatchingReader(MatchingReaderConfig(max_seq_len=max_seq_len), tokenizer)
        lines = ["label\ttext_a\ttext_b", *("\t".join(row) for row in rows)]
        return reader, load_dataset(reader, write("x.tsv", "\n".join(lines)), phase)

    return load_rows


def test_segments(load, ids):
    reader, dataset = load(("1", "the cat", "sat"), ("0", "我", "爱 北 京"))
    batch = reader.collate(dataset, np.array([0, 1]), np.random.default_rng(0))
    assert batch["token_ids"].tolist() == [
        ids("[CLS] the cat [SEP] sat [SEP] [PAD]"),
        ids("[CLS] 我 [SEP] 爱 北 京 [SEP]"),
    ]
    assert batch["segment_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]]
    assert batch["input_mask"].sum(axis=1).tolist() == [6, 7]
    assert batch["label_ids"].tolist() == [1, 0]
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr("train").items()}


def test_the_longer_text_is_cut(load, ids):
    _, dataset = load(("1", "a b c d e f", "g h"), ("1", "a b", "c d e f g h"))
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] a b c [SEP] g h [SEP]")
    assert dataset.ragged("token_ids")[1].tolist() == ids("[CLS] a b [SEP] c d e [SEP]")


def test_both_texts_must_be_there(load):
    with pytest.raises(DataError) as caught:
        load(("1", "", "a"), ("1", "a", ""))
    assert "x.tsv:2: `text_a` must contain text, found it empty" in str(caught.value)
    assert "x.tsv:3: `text_b` must contain text, found it empty" in str(caught.value)


def test_predicting_keeps_empty_texts(load, ids):
    _, dataset = load(("", "", "a"), ("", "", ""), phase="predict")
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] [SEP] a [SEP]")
    assert dataset.ragged("token_ids")[1].tolist() == ids("[CLS] [SEP] [SEP]")


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60))
def test_cutting_is_berts_loop(first, second, room):
    assert fit_pair(first, second, room=room) == _truncate_seq_pair(first, second, room)


def _truncate_seq_pair(first, second, room):
    """The loop of BERT's run_classifier.py, on lengths."""
    while first + second > room:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second
