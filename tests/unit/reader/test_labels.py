"""Labels may be names or numbers; a label that does not exist is an error with file and line."""

import logging

import pytest

from palm.data.dataset import LabelMap
from palm.errors import DataError
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.labels import learn_label_map
from palm.reader.loading import load_dataset


@pytest.mark.parametrize(
    ("labels", "n_classes", "names"),
    [
        (["good", "bad", "good"], None, ("bad", "good")),
        (["2", "0", "1", "1"], None, ("0", "1", "2")),
        ([str(number) for number in range(11)], None, tuple(str(number) for number in range(11))),
        (["0", "2"], 3, ("0", "1", "2")),
        (["1", "1"], None, ("0", "1")),
        (["0"], None, ("0", "1")),
        (["100", "20", "3"], None, ("3", "20", "100")),
        (["0", "5"], 3, ("0", "5", "[unused2]")),
        (["0", "4"], 2, ("0", "4")),
        (["5", "1", "3", "2", "4"], 5, ("1", "2", "3", "4", "5")),
        (["1", "5", "4"], 5, ("1", "2", "3", "4", "5")),
        (["114", "100", "101"], 15, ("100", *(str(number) for number in range(101, 115)))),
        (["116", "100", "101"], 5, ("100", "101", "116", "[unused3]", "[unused4]")),
        ([], 2, ("0", "1")),
        (["false", "true"], None, ("false", "true")),
        (["01", "1"], None, ("01", "1")),
        (["-1", "1"], None, ("-1", "1")),
        (["1", "1.0", "x"], None, ("1", "1.0", "x")),
        (["体育", "财经", "b"], 3, ("b", "体育", "财经")),
        (["体育", "b"], 4, ("b", "体育", "[unused2]", "[unused3]")),
        (["²", "1"], None, ("1", "²")),
    ],
)
def test_learnt_names(labels, n_classes, names):
    assert learn_label_map(labels, n_classes).names == names


@pytest.fixture
def load(tokenizer, write):
    def load_file(content, phase="train", *, labels=None, **keys):
        reader = ClassificationReader(ClassificationReaderConfig(**keys), tokenizer, labels)
        return reader, load_dataset(reader, write("x.tsv", "label\ttext_a\n" + content), phase)

    return load_file


def test_ids_follow_the_names(load):
    reader, dataset = load("good\ta\nbad\tb\ngood\tc\n")
    assert reader.labels == LabelMap(("bad", "good"))
    assert dataset.array("label_ids").tolist() == [1, 0, 1]


def test_known_labels_are_kept(load):
    reader, dataset = load("good\ta\n", labels=LabelMap(("good", "bad", "ugly")))
    assert reader.labels == LabelMap(("good", "bad", "ugly"))
    assert dataset.array("label_ids").tolist() == [0]


def test_more_numbers_than_n_classes(load):
    with pytest.raises(DataError) as caught:
        load("0\ta\n1\tb\n0\tc\n7\td\n1\te\n", n_classes=2)
    assert str(caught.value).endswith(
        "x.tsv: n_classes is 2, found 3 labels (0, 1, 7); the rarest is `7` (1, first in line 5). Correct either."
    )
    assert len(caught.value.problems) == 1


def test_a_number_that_is_not_in_the_training_file(load):
    with pytest.raises(DataError, match=r"x.tsv:2: label out of range: the 3 labels are 1, 2, 3, found `0`."):
        load("0\ta\n", "eval", labels=LabelMap(("1", "2", "3")), n_classes=3)


def test_more_classes_than_labels(load):
    reader, dataset = load("b\ta\na\tb\n", n_classes=3)
    assert reader.labels == LabelMap(("a", "b", "[unused2]"))
    assert dataset.array("label_ids").tolist() == [1, 0]


def test_more_names_than_n_classes(load):
    with pytest.raises(DataError, match=r"n_classes is 2, found 3 labels \(a, b, c\)"):
        load("a\ta\nb\tb\nc\tc\n", n_classes=2)


def test_an_unknown_name_in_the_dev_file(load):
    with pytest.raises(DataError) as caught:
        load("good\ta\ngoood\tb\n", "eval", labels=LabelMap(("bad", "good")))
    assert "x.tsv:3: label out of range: the 2 labels are bad, good, found `goood`. Did you mean `good`?" in str(
        caught.value
    )


def test_an_unknown_name_may_count_as_wrong(load, caplog):
    with caplog.at_level(logging.WARNING):
        _, dataset = load(
            "good\ta\nugly\tb\n", "eval", labels=LabelMap(("bad", "good")), on_unknown_label="count_as_wrong"
        )
    assert dataset.array("label_ids").tolist() == [1, -100]
    assert dataset.records[1]["label"] == "ugly"
    assert "1 label that is not in the training file counts as wrong (ugly)" in caplog.text


def test_no_unknown_label_in_training_whatever_the_key_says(load):
    with pytest.raises(DataError, match="label out of range"):
        load("ugly\ta\n", labels=LabelMap(("bad", "good")), on_unknown_label="count_as_wrong")


def test_predicting_ignores_labels(load):
    _, dataset = load("ugly\ta\n\tb\n", "predict", labels=LabelMap(("bad", "good")))
    assert "label_ids" not in dataset.columns


def test_evaluation_before_training_is_a_mistake_of_the_code(load):
    with pytest.raises(ValueError, match="Labels are learnt from the training file"):
        load("good\ta\n", "eval")
