"""`pairwise_match` rows become two sequences to train on, and one to predict."""

import numpy as np
import pytest

from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.pairwise_match import PairwiseMatchReader, PairwiseMatchReaderConfig

TSV = "text_a\ttext_b\ttext_b_neg\nthe cat\tsat\ton the mat\n我\t爱\tmat\n"


@pytest.fixture
def reader(tokenizer):
    return PairwiseMatchReader(PairwiseMatchReaderConfig(), tokenizer)


def batch_of(reader, dataset, rows):
    return reader.collate(dataset, np.array(rows), np.random.default_rng(0))


def test_the_two_sequences_of_a_row_stand_side_by_side(reader, write, ids):
    batch = batch_of(reader, load_dataset(reader, write("x.tsv", TSV), "train"), [1, 0])

    assert batch["token_ids"].tolist() == [
        ids("[CLS] 我 [SEP] 爱 [SEP] [PAD] [PAD] [PAD]"),
        ids("[CLS] 我 [SEP] mat [SEP] [PAD] [PAD] [PAD]"),
        ids("[CLS] the cat [SEP] sat [SEP] [PAD] [PAD]"),
        ids("[CLS] the cat [SEP] on the mat [SEP]"),
    ]
    assert batch["segment_ids"][3].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert batch["input_mask"].sum(axis=1).tolist() == [5, 5, 6, 8]
    assert batch["pair_rows"].tolist() == [[0, 1], [2, 3]]


def test_to_predict_one_text_is_enough(reader, write, ids):
    dataset = load_dataset(reader, write("x.tsv", "text_a\ttext_b\nthe cat\tsat\n"), "predict")
    batch = batch_of(reader, dataset, [0])

    assert batch["token_ids"].tolist() == [ids("[CLS] the cat [SEP] sat [SEP]")]
    assert "pair_rows" not in batch


def test_training_needs_a_text_that_does_not_match(reader, write):
    with pytest.raises(
        DataError, match=r"x\.tsv:1: the first row must name the columns, expected text_a, text_b, text_b"
    ):
        load_dataset(reader, write("x.tsv", "text_a\ttext_b\nthe cat\tsat\n"), "train")


def test_what_check_looks_at(reader, write):
    record = reader.read(write("x.tsv", TSV), "train")[0]

    assert reader.texts_of(record) == ("the cat", "sat", "on the mat")
    assert reader.longest_sequence_of(record) == ("the cat", "on the mat")
    assert reader.labels_of(record) == []
