"""Rows of `embed` are trained on beside a text of the same class and one of another, and predicted alone."""

from collections import Counter

import numpy as np
import pytest

from palm.data.dataset import LabelMap
from palm.errors import DataError
from palm.reader.embed import EmbedReader, EmbedReaderConfig, sample_partners
from palm.reader.loading import load_dataset, load_rows

TSV = "label\ttext_a\ncat\tthe cat\nmat\ton the mat\ncat\ta cat\nfilm\t我爱\n"


@pytest.fixture
def reader(tokenizer):
    return EmbedReader(EmbedReaderConfig(), tokenizer)


def philox(seed=0):
    return np.random.Generator(np.random.Philox(key=seed))


def test_three_sequences_stand_side_by_side(reader, write, ids):
    data = load_dataset(reader, write("x.tsv", TSV), "train")
    batch = reader.collate(data, np.array([2, 3]), philox())
    first, second, third, alone, itself, other = (
        row[mask > 0].tolist() for row, mask in zip(batch["token_ids"], batch["input_mask"], strict=True)
    )
    assert first == ids("[CLS] a cat [SEP]")
    assert second == ids("[CLS] the cat [SEP]")  # the only other text of its class
    assert third in (ids("[CLS] on the mat [SEP]"), ids("[CLS] 我 爱 [SEP]"))
    assert alone == itself == ids("[CLS] 我 爱 [SEP]")  # alone in its class
    assert other != alone
    assert batch["text_rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert batch["pair_scores"].tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert batch["label_ids"].tolist() == [0, 1]  # cat, film, mat


def test_to_predict_a_row_is_one_sequence(reader, write, ids):
    load_dataset(reader, write("x.tsv", TSV), "train")
    data = load_rows(reader, ["the cat", {"text_a": "我", "label": "cat"}], "predict")
    batch = reader.collate(data, np.arange(2), philox())
    assert batch["token_ids"].tolist() == [ids("[CLS] the cat [SEP]"), ids("[CLS] 我 [SEP] [PAD]")]
    assert not {"text_rows", "pair_scores", "label_ids"} & batch.keys()


def test_every_other_text_of_a_class_is_as_likely(reader):
    labels = np.array([1, 0, 1, -100, 1, 2, 0, 1])
    rows = np.zeros(6000, "int64")  # the first text, of class 1
    same, other = sample_partners(labels, rows, philox()).T
    assert Counter(same.tolist()).keys() == {2, 4, 7}
    assert Counter(other.tolist()).keys() == {1, 5, 6}
    for counts in (Counter(same.tolist()), Counter(other.tolist())):
        assert all(abs(count - 2000) < 200 for count in counts.values())


def test_partners_depend_on_the_generator_alone():
    labels = np.random.default_rng(3).integers(0, 4, 100)
    rows = np.arange(100)
    one, again, next_step = (sample_partners(labels, rows, philox(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, next_step)
    assert (labels[one[:, 0]] == labels).all()
    assert (one[:, 0] != rows).all()
    assert (labels[one[:, 1]] != labels).all()


def test_what_has_no_partner():
    # The second text has no label; of the class of the others there is no other.
    found = sample_partners(np.array([1, -100, 1]), np.arange(3), philox())
    assert found.tolist() == [[2, -1], [-1, -1], [0, -1]]


def test_unknown_labels_of_a_dev_file_are_in_no_pair(tokenizer, write):
    reader = EmbedReader(EmbedReaderConfig(on_unknown_label="count_as_wrong"), tokenizer, LabelMap(("cat", "mat")))
    data = load_dataset(reader, write("x.tsv", "label\ttext_a\ncat\tthe cat\ndog\ta dog\nmat\tmat\n"), "eval")
    batch = reader.collate(data, np.arange(3), philox())
    assert batch["pair_scores"].tolist() == [[1.0, 0.0], [-100.0, -100.0], [1.0, 0.0]]


def test_one_class_is_refused(reader, write):
    rule = r"x\.tsv: an embedding is trained on texts of two classes or more.* found only `cat`\. Add texts with other"
    with pytest.raises(DataError, match=rule):
        load_dataset(reader, write("x.tsv", "label\ttext_a\ncat\tthe cat\ncat\ta cat\n"), "train")


def test_a_part_counts_its_sequences_from_0(reader, write):
    data = load_dataset(reader, write("x.tsv", TSV), "train")
    whole = reader.collate(data, np.arange(4), philox())
    part = reader.part(whole, 4, 1, 3)
    assert np.array_equal(part["token_ids"], whole["token_ids"][3:9])
    assert part["text_rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert np.array_equal(part["label_ids"], whole["label_ids"][1:3])
    assert reader.sequences_of(whole, 1, 3) == (3, 9)
