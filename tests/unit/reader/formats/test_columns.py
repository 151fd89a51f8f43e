"""Columns are found by the key `columns`, by PALM's names, or by names that people use, which is reported."""

import json
import logging

import pytest

from palm.errors import DataError
from palm.reader.choice import ChoiceReader, ChoiceReaderConfig
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.formats.columns import plain_name, possible_names, with_class_names
from palm.reader.loading import load_dataset
from palm.reader.match import MatchingReader, MatchingReaderConfig
from palm.reader.mlm import MaskedLMReader, MaskedLMReaderConfig
from palm.reader.pairwise_match import PairwiseMatchReader, PairwiseMatchReaderConfig
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig

KINDS = {
    "choice": (ChoiceReader, ChoiceReaderConfig),
    "cls": (ClassificationReader, ClassificationReaderConfig),
    "match": (MatchingReader, MatchingReaderConfig),
    "mlm": (MaskedLMReader, MaskedLMReaderConfig),
    "pairwise_match": (PairwiseMatchReader, PairwiseMatchReaderConfig),
    "seq_label": (TaggingReader, TaggingReaderConfig),
}


@pytest.fixture
def load(tokenizer, write, caplog):
    def load_file(kind, name, content, phase="train", **keys):
        caplog.clear()
        reader, config = KINDS[kind]
        with caplog.at_level(logging.WARNING):
            dataset = load_dataset(reader(config(**keys), tokenizer), write(name, content), phase)
        return dataset.records[0], [record.getMessage().partition(": ")[2] for record in caplog.records]

    return load_file


@pytest.mark.parametrize(
    ("kind", "header", "row", "found"),
    [
        ("cls", "idx\tsentence\tlabel", "0\t我\tgood", "text_a=sentence"),
        ("cls", "text\tcategory", "我\tgood", "text_a=text;label=category"),
        ("cls", "评论\t标签", "我\tgood", "text_a=评论;label=标签"),
        ("cls", "Text\tLabel", "我\tgood", "text_a=Text;label=Label"),
        ("cls", "text_a\tintent\tid", "我\tgood\t1", "label=intent"),
        ("match", "question1\tquestion2\tis_duplicate", "我\t你\t0",
         "text_a=question1;text_b=question2;label=is_duplicate"),
        ("match", "premise\thypothesis\tlabel\tidx", "我\t你\t0\t3", "text_a=premise;text_b=hypothesis"),
        ("match", "Sentence 1\tsentence_2\tsimilarity", "我\t你\t0",
         "text_a=Sentence 1;text_b=sentence_2;label=similarity"),
        ("match", "query\tpassage\tscore", "我\t你\t1", "text_a=query;text_b=passage;label=score"),
        ("pairwise_match", "anchor\tpositive\tnegative", "我\t你\t1",
         "text_a=anchor;text_b=positive;text_b_neg=negative"),
        ("mlm", "id\tcontent", "1\t我", "text_a=content"),
        ("seq_label", "id\twords\tner_tags", "1\t我 你\tO B-x", "text_a=words;label=ner_tags"),
        ("choice", "question\toptions\tlabel", "我\ta|b\t1", "text_a=question;choices=options"),
    ],
)  # fmt: skip
def test_names_that_people_use(load, kind, header, row, found):
    listed = ", ".join(f"{name} is `{called}`" for name, called in (pair.split("=") for pair in found.split(";")))
    said = [f"columns by their names: {listed}. If that is wrong, set `columns`."]
    assert load(kind, "x.tsv", f"{header}\n{row}\n")[1] == said
    values = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    assert load(kind, "x.jsonl", json.dumps(values, ensure_ascii=False) + "\n")[1] == said


def test_the_content_is_that_of_the_columns(load):
    record, _ = load("match", "x.tsv", "id\tsentence2\tsentence1\tlabel\n7\tb\ta\tgood\n")
    assert record == {"line": 2, "text_a": "a", "text_b": "b", "label": "good"}
    record, _ = load("seq_label", "x.jsonl", '{"id": "0", "tokens": ["a", "b"], "ner_tags": [1, 0]}\n')
    assert (record["words"], record["labels"]) == (["a", "b"], ["1", "0"])


def test_own_names_and_the_key_come_first(load):
    record, said = load("cls", "x.tsv", "text\ttext_a\tcategory\tlabel\nx\ta\ty\tgood\n")
    assert (record["text_a"], record["label"], said) == ("a", "good", [])
    record, said = load("cls", "x.tsv", "text\tbody\tlabel\nx\ta\tgood\n", columns="text_a=body")
    assert (record["text_a"], said) == ("a", [])
    with pytest.raises(DataError, match="the first row must name the columns, expected label, body"):
        load("cls", "x.tsv", "text\tlabel\nx\tgood\n", columns="text_a=body")


@pytest.mark.parametrize(
    ("kind", "header", "row", "message"),
    [
        ("cls", "title\tcontent\tlabel", "我\t你\tgood", "`text_a`, found `content`; or `title`. Set `columns`"),
        ("cls", "text\tcoarse_label\tfine_label", "我\t你\tgood", "`label`, found `coarse_label`; or `fine_label`."),
        ("cls", "sentence\tquestion\tlabel", "我\t你\tgood", "`text_a`, found `sentence`; or `question`."),
        ("seq_label", "tokens\tpos_tags\tner_tags", "我\tO\tO", "`label`, found `ner_tags`; or `pos_tags`."),
        ("match", "premise\thypothesis\ts1\ts2\tlabel", "我\t我\t我\t我\t1",
         "`text_a` and `text_b`, found `premise` and `hypothesis`; or `s1` and `s2`."),
    ],
)  # fmt: skip
def test_several_columns_are_refused_with_their_names(load, kind, header, row, message):
    with pytest.raises(DataError) as caught:
        load(kind, "x.tsv", f"{header}\n{row}\n")
    assert f"x.tsv:1: several columns may be {message}" in str(caught.value)
    values = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    with pytest.raises(DataError, match=r"x\.jsonl:1: several columns may be"):
        load(kind, "x.jsonl", json.dumps(values, ensure_ascii=False) + "\n")


def test_gold_is_optional_when_predicting(load):
    record, said = load("cls", "x.tsv", "sentence\tcoarse\n我\t1\n", "predict")
    assert (record["text_a"], "label" in record) == ("我", False)
    assert len(said) == 1
    assert load("cls", "x.tsv", "sentence\ttopic\n我\tgood\n", "predict")[0]["label"] == "good"
    assert "label" not in load("cls", "x.tsv", "text_a\ttopic\tclass\n我\tgood\t1\n", "predict")[0]
    assert "text_b_neg" not in load("pairwise_match", "x.tsv", "anchor\tpositive\tnegative\na\tb\tc\n", "predict")[0]


def test_positions(load):
    record, said = load("cls", "x.tsv", "stars\treview\n5\t我\n", columns={"text_a": 1, "label": 0})
    assert (record["text_a"], record["label"]) == ("我", "5")
    assert said == [
        "columns by their positions: text_a is `review`, label is `stars`. Without a header row, set header: false."
    ]
    record, said = load("cls", "x.tsv", "1\t0\n5\t我\n", columns={"text_a": 0, "label": 1})
    assert (record["text_a"], record["label"], said) == ("我", "5", [])
    with pytest.raises(DataError, match="the first row must name the columns, expected label, 7"):
        load("cls", "x.tsv", "label\treview\n5\t我\n", columns={"text_a": 7})
    with pytest.raises(DataError, match="expected the fields label, 0, missing: 0"):
        load("cls", "x.jsonl", '{"text": "a", "label": 1}\n', columns={"text_a": 0})


def test_a_name_that_looks_right(load):
    with pytest.raises(DataError) as caught:
        load("cls", "x.tsv", "label\ttext\u200b_a\n1\ta\n")
    assert "`text_a` and the column `text\u200b_a` look alike. They differ in nothing and U+200B." in str(caught.value)


def test_plain_names():
    assert [plain_name(name) for name in ("Sentence 1", "sentence_2", "Ner Tags", " is-duplicate ", "q1")] == [
        *("sentence1", "sentence2", "ner_tags", "is_duplicate", "q1")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_group_names_all_of_its_columns_as_they_are_compared(kind):
    config = KINDS[kind][1]
    for guess in config.guesses:
        assert set(guess.columns) <= set(config.known_columns)
        for names in guess.names:
            assert len(names) == len(guess.columns)
            assert [plain_name(name) for name in names] == [*names]
        assert len(set(guess.names)) == len(guess.names)
    assert {"text_a", guess.names[0][0]} <= set(possible_names(config()))


@pytest.mark.parametrize(
    ("value", "named"),
    [(1, "体育"), ([0, 1, -1], ["O", "体育", None]), (-1, None), (5, 5), ("1", "1"), (True, True), (None, None)],
)
def test_class_names(value, named):
    assert with_class_names(value, ["O", "体育"]) == named
    assert with_class_names(value, None) == value
