"""Several labels per row, and numbers: read from tsv and jsonl, refused where they are none."""

import numpy as np
import pytest

from palm.data.dataset import LabelMap
from palm.errors import DataError
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.loading import load_dataset
from palm.reader.match import MatchingReader, MatchingReaderConfig


@pytest.fixture
def several(tokenizer):
    return ClassificationReader(ClassificationReaderConfig(label_kind="several"), tokenizer)


@pytest.fixture
def number(tokenizer):
    return MatchingReader(MatchingReaderConfig(label_kind="number"), tokenizer)


def batch_of(reader, dataset, rows):
    return reader.collate(dataset, np.array(rows), np.random.default_rng(0))


def test_label_sets(several, write):
    file = write("x.tsv", "label\ttext_a\n猫|狗\tthe cat\n\tthe mat\n狗|狗\t我爱\n")
    dataset = load_dataset(several, file, "train")
    assert several.labels == LabelMap(("狗", "猫"))
    assert [record["label"] for record in dataset.records] == [["猫", "狗"], [], ["狗"]]
    batch = batch_of(several, dataset, [2, 0, 1])
    assert batch["label_sets"].tolist() == [[1, 0], [1, 1], [0, 0]]
    assert batch["label_sets"].dtype == np.float32
    assert "label_ids" not in batch


def test_label_sets_of_jsonl(several, write):
    file = write("x.jsonl", '{"label": ["a", 2], "text_a": "the"}\n{"label": "a|b", "text_a": "cat"}\n')
    assert [record["label"] for record in load_dataset(several, file, "train").records] == [["a", "2"], ["a", "b"]]
    assert several.labels == LabelMap(("2", "a", "b"))


def test_an_unknown_label_of_a_set(several, tokenizer, write):
    load_dataset(several, write("x.tsv", "label\ttext_a\na|b\tthe cat\n"), "train")
    dev = write("dev.tsv", "label\ttext_a\na|c\tthe cat\n")
    with pytest.raises(DataError, match=r"dev\.tsv:2: label out of range: the 2 labels are a, b, found"):
        load_dataset(several, dev, "eval")
    lenient = ClassificationReaderConfig(label_kind="several", on_unknown_label="count_as_wrong")
    reader = ClassificationReader(lenient, tokenizer, several.labels)
    assert batch_of(reader, load_dataset(reader, dev, "eval"), [0])["label_sets"].tolist() == [[1, 0]]


def test_a_label_of_a_set_that_is_none(several, write):
    with pytest.raises(
        DataError, match=r"x\.jsonl:1: `label` must be a string, a whole number, true or false, found an"
    ):
        load_dataset(several, write("x.jsonl", '{"label": [{}], "text_a": "the"}\n'), "train")


def test_numbers(number, write):
    file = write("x.tsv", "label\ttext_a\ttext_b\n3.5\tthe\tcat\n-1e1\t我\t爱\n")
    dataset = load_dataset(number, file, "train")
    assert number.labels is None
    assert [record["label"] for record in dataset.records] == [3.5, -10.0]
    values = batch_of(number, dataset, [1, 0])["label_values"]
    assert (values.tolist(), values.dtype) == ([-10.0, 3.5], np.float32)


def test_numbers_of_jsonl(number, write):
    file = write("x.jsonl", '{"label": 2, "text_a": "the", "text_b": "cat"}\n')
    assert load_dataset(number, file, "train").records[0]["label"] == 2.0


@pytest.mark.parametrize("written", ["", "nan", "1e999", "drei", "true"])
def test_what_is_no_number(number, write, written):
    file = write("x.tsv", f"label\ttext_a\ttext_b\n{written}\tthe\tcat\n")
    with pytest.raises(DataError, match=r"x\.tsv:2: `label` must be a number, found"):
        load_dataset(number, file, "train")


@pytest.mark.parametrize("kind", ["several", "number"])
def test_prediction_needs_no_gold(tokenizer, write, kind):
    reader = ClassificationReader(ClassificationReaderConfig(label_kind=kind), tokenizer, LabelMap(("a",)))
    for text in ("text_a\nthe cat\n", "label\ttext_a\n\tthe cat\n"):
        batch = batch_of(reader, load_dataset(reader, write("x.tsv", text), "predict"), [0])
        assert set(batch) == set(reader.outputs_attr("predict"))


@pytest.mark.parametrize("kind", ["class", "several", "number"])
def test_a_batch_is_what_outputs_attr_says(tokenizer, write, kind):
    reader = ClassificationReader(ClassificationReaderConfig(label_kind=kind), tokenizer)
    batch = batch_of(
        reader, load_dataset(reader, write("x.tsv", "label\ttext_a\n0\tthe cat\n1\tthe\n"), "train"), [0, 1]
    )
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr("train").items()}
