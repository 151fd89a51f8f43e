"""Pairs of `embed_pairs`: each text is a sequence; positive pairs hold each text once, and every part holds all."""

import numpy as np
import pytest

from palm.errors import DataError
from palm.reader.embed_pairs import EmbedPairsReader, EmbedPairsReaderConfig
from palm.reader.loading import load_dataset, load_rows

PAIRS = "text_a\ttext_b\nthe cat\tsat\n我\tsat\nthe cat\t爱\n"
SCORED = "label\ttext_a\ttext_b\n0.5\tthe cat\tsat\n-1\t我\tsat\n"


@pytest.fixture
def reader(tokenizer):
    return EmbedPairsReader(EmbedPairsReaderConfig(), tokenizer)


@pytest.fixture
def scored(tokenizer):
    return EmbedPairsReader(EmbedPairsReaderConfig(pair_kind="scored"), tokenizer)


def batch_of(reader, data, rows):
    return reader.collate(data, np.array(rows), np.random.default_rng(0))


def test_positive_pairs_hold_each_text_once(reader, write, ids):
    batch = batch_of(reader, load_dataset(reader, write("x.tsv", PAIRS), "train"), [0, 1, 2])
    assert batch["token_ids"].tolist() == [
        ids("[CLS] the cat [SEP]"),
        ids("[CLS] 我 [SEP] [PAD]"),
        ids("[CLS] sat [SEP] [PAD]"),
        ids("[CLS] 爱 [SEP] [PAD]"),
    ]
    assert batch["text_rows"].tolist() == [[0, 2], [1, 2], [0, 3]]
    assert batch["anchor_mask"].tolist() == [1.0, 1.0, 1.0]
    assert set(reader.outputs_attr("train")) == batch.keys()


def test_the_same_text_on_both_sides_is_two_sequences(reader, write):
    batch = batch_of(reader, load_dataset(reader, write("x.tsv", "text_a\ttext_b\nthe cat\tthe cat\n"), "train"), [0])
    assert batch["text_rows"].tolist() == [[0, 1]]
    assert batch["token_ids"][0].tolist() == batch["token_ids"][1].tolist()


def test_of_positive_pairs_every_part_has_all_texts(reader, write):
    whole = batch_of(reader, load_dataset(reader, write("x.tsv", PAIRS), "train"), [0, 1, 2])
    part = reader.part(whole, 3, 1, 3)
    assert np.array_equal(part["token_ids"], whole["token_ids"])
    assert part["anchor_mask"].tolist() == [0.0, 1.0, 1.0]
    assert whole["anchor_mask"].tolist() == [1.0, 1.0, 1.0]
    assert reader.sequences_of(whole, 1, 3) == (0, 4)


def test_scored_pairs_stand_side_by_side(scored, write, ids):
    whole = batch_of(scored, load_dataset(scored, write("x.tsv", SCORED), "train"), [0, 1])
    assert whole["token_ids"].tolist()[2] == ids("[CLS] 我 [SEP] [PAD]")
    assert whole["text_rows"].tolist() == [[0, 1], [2, 3]]
    assert whole["label_values"].tolist() == [0.5, -1.0]
    part = scored.part(whole, 2, 1, 2)
    assert (part["text_rows"].tolist(), part["label_values"].tolist()) == ([[0, 1]], [-1.0])
    assert len(part["token_ids"]) == 2
    assert set(scored.outputs_attr("train")) == whole.keys()


@pytest.mark.parametrize("kind", ["positive", "scored"])
def test_to_predict_two_texts_are_enough(tokenizer, kind, ids):
    reader = EmbedPairsReader(EmbedPairsReaderConfig(pair_kind=kind), tokenizer)
    rows = [{"text_a": "the cat", "text_b": "sat"}, {"text_a": "我", "text_b": ""}]
    batch = batch_of(reader, load_rows(reader, rows, "predict"), [1, 0])
    assert batch["token_ids"].tolist()[1] == ids("[CLS] [SEP] [PAD] [PAD]")
    assert batch["text_rows"].tolist() == [[0, 1], [2, 3]]
    assert set(reader.outputs_attr("predict")) == batch.keys()


def test_a_score_that_is_no_cosine_is_refused(scored, write):
    rule = r"x\.tsv:3: `label` must be a similarity from -1 to 1, as a cosine is, found 4\.2\. Divide scores"
    with pytest.raises(DataError, match=rule):
        load_dataset(scored, write("x.tsv", "label\ttext_a\ttext_b\n1\ta\tb\n4.2\tc\td\n"), "train")


def test_scored_pairs_need_a_score(scored, write):
    with pytest.raises(
        DataError, match=r"x\.tsv:1: the first row must name the columns, expected label, text_a, text_b"
    ):
        load_dataset(scored, write("x.tsv", PAIRS), "train")


def test_what_check_looks_at(reader, write):
    record = reader.read(write("x.tsv", PAIRS), "train")[0]
    assert reader.texts_of(record) == ("the cat", "sat")
    assert reader.longest_sequence_of(record) == ("the cat",)
    assert reader.labels_of(record) == []
    assert record["label"] == "1"
