"""`cls` rows become `[CLS] text [SEP]`, batches are padded."""

import numpy as np
import pytest

from palm.errors import DataError
from palm.reader.base import READERS
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.loading import load_dataset
from palm.spec import Spec


@pytest.fixture
def reader(tokenizer):
    return ClassificationReader(ClassificationReaderConfig(max_seq_len=6), tokenizer)


@pytest.fixture
def file(write):
    return write("x.tsv", "label\ttext_a\ngood\tThe cats\nbad\tthe cat sat on the mat\ngood\t我爱\n")


def test_it_is_registered():
    assert READERS["cls"] is ClassificationReader


def test_rows_are_cut_to_max_seq_len(reader, file, ids):
    dataset = load_dataset(reader, file, "train")
    assert [row.tolist() for row in dataset.ragged("token_ids")] == [
        ids("[CLS] the cat ##s [SEP]"),
        ids("[CLS] the cat sat on [SEP]"),
        ids("[CLS] 我 爱 [SEP]"),
    ]
    assert dataset.array("record").tolist() == [0, 1, 2]


def test_a_batch(reader, file, ids):
    dataset = load_dataset(reader, file, "train")
    batch = reader.collate(dataset, np.array([2, 0]), np.random.default_rng(0))
    assert batch["token_ids"].tolist() == [ids("[CLS] 我 爱 [SEP] [PAD]"), ids("[CLS] the cat ##s [SEP]")]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4]] * 2
    assert batch["segment_ids"].tolist() == [[0] * 5] * 2
    assert batch["task_ids"].tolist() == [[0] * 5] * 2
    assert batch["input_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert batch["label_ids"].tolist() == [1, 1]


@pytest.mark.parametrize("phase", ["train", "eval", "predict"])
def test_a_batch_is_what_outputs_attr_says(reader, file, phase):
    load_dataset(reader, file, "train")
    batch = reader.collate(load_dataset(reader, file, phase), np.array([0, 1]), np.random.default_rng(0))
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr(phase).items()}


def test_label_ids_are_promised_unless_predicting(reader):
    assert reader.outputs_attr("eval")["label_ids"] == Spec("batch", "int64")
    assert "label_ids" not in reader.outputs_attr("predict")


def test_empty_text_is_predicted(reader, write, ids):
    dataset = load_dataset(reader, write("p.tsv", "text_a\tid\n\t1\nthe\t2\n"), "predict")
    assert [row.tolist() for row in dataset.ragged("token_ids")] == [ids("[CLS] [SEP]"), ids("[CLS] the [SEP]")]


def test_text_of_control_characters_is_no_text(reader, write):
    with pytest.raises(
        DataError, match=r"x\.tsv:2: `text_a` must contain text, found only blanks and control characters"
    ):
        load_dataset(reader, write("x.tsv", "label\ttext_a\n1\t\u200b\x01\n"), "train")


def test_special_tokens_in_the_text_are_text(reader, write, ids):
    dataset = load_dataset(reader, write("x.tsv", "label\ttext_a\n1\t[MASK]\n"), "train")
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] [ mask ] [SEP]")
