"""Rows without text, without a label or with certain labels are left out on request, counted, and said."""

import json
import logging

import pytest

from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.reader.choice import ChoiceReader, ChoiceReaderConfig
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.loading import load_dataset
from palm.reader.match import MatchingReader, MatchingReaderConfig
from palm.reader.mlm import MaskedLMReader, MaskedLMReaderConfig
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig

KINDS = {
    "choice": (ChoiceReader, ChoiceReaderConfig),
    "cls": (ClassificationReader, ClassificationReaderConfig),
    "match": (MatchingReader, MatchingReaderConfig),
    "mlm": (MaskedLMReader, MaskedLMReaderConfig),
    "seq_label": (TaggingReader, TaggingReaderConfig),
}


@pytest.fixture
def load(tokenizer: Tokenizer, write, caplog):
    def load_file(kind, name, content, phase="train", **keys):
        caplog.clear()
        reader, config = KINDS[kind]
        with caplog.at_level(logging.WARNING):
            dataset = load_dataset(reader(config(**keys), tokenizer), write(name, content), phase)
        return dataset, [record.getMessage().partition(": ")[2] for record in caplog.records]

    return load_file


def test_a_pair_without_its_second_text(load):
    content = "label\ttext_a\ttext_b\n1\tthe\tcat\n0\tsat\t\n0\t我\t \u200b\n1\t爱\t北\n"
    dataset, said = load("match", "pairs.tsv", content, skip_empty_text=True)
    assert [record["line"] for record in dataset.records] == [2, 5]
    assert said == ["2 rows are left out (skip_empty_text: no text_b), lines 3, 4."]
    with pytest.raises(DataError, match=r"pairs.tsv:3: `text_b` must contain text.* or set skip_empty_text: true"):
        load("match", "pairs.tsv", content)


def test_null_is_no_text(load):
    rows = [{"text_a": "the", "label": 1}, {"text_a": None, "label": 0}, {"text_a": "我", "label": 0}]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    dataset, said = load("cls", "x.jsonl", content, "train", skip_empty_text=True)
    assert dataset.array("label_ids").tolist() == [1, 0]
    assert said == ["1 row is left out (skip_empty_text: no text_a), line 2."]
    assert len(load("mlm", "x.jsonl", content, skip_empty_text=True)[0].records) == 2


def test_a_row_without_text_is_predicted_and_said(load):
    content = '{"text_a": "the"}\n{"text_a": null}\n{"text_a": ""}\n{"text_a": "我"}\n'
    for skip in (False, True):
        dataset, said = load("cls", "x.jsonl", content, "predict", skip_empty_text=skip)
        assert [record["text_a"] for record in dataset.records] == ["the", "", "", "我"]
        assert said == ["2 rows are predicted without text, lines 2, 3."]


@pytest.mark.parametrize("phase", ["train", "eval"])
def test_rows_with_a_label_that_stands_for_none(load, phase, tokenizer, write):
    content = "label\ttext_a\ttext_b\nneutral\ta\tb\n-\tc\td\nentailment\te\tf\n - \tg\th\n"
    config = MatchingReaderConfig(leave_out_labels=["-"])
    reader = MatchingReader(config, tokenizer)
    dataset = load_dataset(reader, write("snli.tsv", content), "train")
    assert reader.labels.names == ("entailment", "neutral")
    dataset = load_dataset(reader, write("snli.tsv", content), phase)
    assert [record["line"] for record in dataset.records] == [2, 4]
    assert dataset.notes == ("2 rows are left out (leave_out_labels: `-`), lines 3, 5.",)


def test_a_label_to_leave_out_that_no_row_has(load):
    _, said = load("cls", "x.tsv", "label\ttext_a\n无\ta\nb\tb\n", leave_out_labels="无, 没有")
    assert said == [
        "1 row is left out (leave_out_labels: `无`), line 2.",
        "leave_out_labels: no row has the label `没有`.",
    ]


@pytest.mark.parametrize(
    ("kind", "name", "content", "keys"),
    [
        ("cls", "x.tsv", "label\ttext_a\na|-\ta\na - b\tb\n", {"label_kind": "several"}),
        ("cls", "x.jsonl", '{"label": ["a", "-"], "text_a": "a"}\n{"label": ["a"], "text_a": "b"}\n',
         {"label_kind": "several"}),
        ("seq_label", "x.tsv", "label\ttext_a\nO -\tthe cat\nO O\tthe cat\n", {}),
        ("seq_label", "x.conll", "the O\ncat -\n\nthe O\ncat O\n", {}),
        ("cls", "x.jsonl", '{"label": -1, "text_a": "a"}\n{"label": 1, "text_a": "b"}\n', {"leave_out_labels": [-1]}),
        ("cls", "x.tsv", "label\ttext_a\n-\ta\na - b\tb\n", {}),
        ("cls", "x.tsv", "label\ttext_a\n-\ta\n0.5\tb\n", {"label_kind": "number"}),
    ],
)  # fmt: skip
def test_one_of_several_labels_is_enough(load, kind, name, content, keys):
    dataset, said = load(kind, name, content, **{"leave_out_labels": ["-"], **keys})
    assert len(dataset.records) == 1
    assert len(said) == 1
    assert said[0].startswith("1 row is left out (leave_out_labels:")


def test_nothing_is_left(load):
    with pytest.raises(DataError, match=r"found every row left out \(leave_out_labels: `-`\)"):
        load("cls", "x.tsv", "label\ttext_a\n-\ta\n", leave_out_labels=["-"])


def test_a_question_without_text(load):
    content = "label\ttext_a\tchoices\n0\t\ta|b\n1\tthe\ta|b\n"
    dataset, _ = load("choice", "x.tsv", content, skip_empty_text=True)
    assert [record["line"] for record in dataset.records] == [3]
