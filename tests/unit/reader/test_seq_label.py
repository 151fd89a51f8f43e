"""`seq_label` reads words and tags from tsv, jsonl and CoNLL; the first piece of a word carries its tag."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.dataset import LabelMap
from palm.data.tag_schemes import TagScheme
from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.rows import split_words
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig


@pytest.fixture
def read(tokenizer, write):
    def read_file(name, content, phase="train", **keys):
        return TaggingReader(TaggingReaderConfig(**keys), tokenizer).read(write(name, content), phase)

    return read_file


SENTENCES = [
    {"words": ["the", "cats", "sat"], "labels": ["O", "B-x", "O"]},
    {"words": ["我", "爱", "北", "京"], "labels": ["O", "O", "B-y", "I-y"]},
]


def without_lines(records):
    return [{name: value for name, value in record.items() if name != "line"} for record in records]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.tsv", "text_a\tlabel\nthe cats sat\tO B-x O\n我 爱 北 京\tO O B-y I-y\n"),
        ("x.tsv", "text_a\tlabel\nthe\x02cats\x02sat\tO\x02B-x\x02O\n我\x02爱\x02北\x02京\tO\x02O\x02B-y\x02I-y\n"),
        ("x.tsv", "text_a\tlabel\n the  cats sat \tO B-x  O\n我 爱 北 京\tO O B-y I-y\n"),
        (
            "x.jsonl",
            '{"text_a": ["the", "cats", "sat"], "label": ["O", "B-x", "O"]}\n'
            '{"text_a": "我 爱 北 京", "label": "O O B-y I-y"}\n',
        ),
        ("x.conll", "the\tO\ncats\tB-x\nsat\tO\n\n我\tO\n爱\tO\n北\tB-y\n京\tI-y\n"),
        ("x.conll", "-DOCSTART- -X- O\n\nthe DT O\ncats NN B-x\nsat VB O\n\n\n我 X O\n爱 X O\n北 X B-y\n京 X I-y"),
        ("x.bio", "the\tO\r\ncats\tB-x\r\nsat\tO\r\n\r\n我\tO\r\n爱\tO\r\n北\tB-y\r\n京\tI-y\r\n\r\n"),
    ],
)
def test_every_format_reads_the_same(read, name, content):
    assert without_lines(read(name, content)) == SENTENCES


def test_lines_of_conll_are_the_sentences_first(read):
    assert [record["line"] for record in read("x.conll", "\nthe O\ncat O\n\n\nsat O\n")] == [2, 6]


def test_characters_are_words_in_chinese_mode(read):
    records = read("x.tsv", "text_a\tlabel\n我爱北京\tO O B-y I-y\nthe cat\tO O\n", for_cn=True)
    assert [record["words"] for record in records] == [["我", "爱", "北", "京"], ["the", "cat"]]


@given(st.lists(st.text(st.characters(exclude_characters=" \x02"), min_size=1, max_size=5), min_size=1, max_size=6))
def test_words_are_split_at_blanks_alone(words):
    assert split_words(" ".join(words), by_character=False) == words
    if len(words) > 1:
        assert split_words("\x02".join(words), by_character=True) == words


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("the\x02cats\x02sat\x02", "O\x02B-x\x02O\x02"),  # as PALM 2's process.py writes a cell
        ("the\x02cats\x02sat\x02", "O\x02B-x\x02O"),
        ("the\x02\x02cats\x02 \x02sat", "O\x02O\x02B-x\x02I-x\x02O"),
        ("\x02the\x02cats\x02sat", "B-y\x02O\x02B-x\x02O"),
    ],
)
def test_empty_words_between_the_separators_of_palm_2_are_skipped_with_their_tags(read, words, tags):
    assert without_lines(read("x.tsv", f"text_a\tlabel\n{words}\t{tags}\n")) == SENTENCES[:1]
    assert without_lines(read("y.tsv", f"text_a\n{words}\n", "predict")) == [{"words": ["the", "cats", "sat"]}]


def test_a_sentence_of_empty_words_is_refused_in_training(read):
    with pytest.raises(DataError, match=r"x\.tsv:2: `text_a` holds text, found it empty"):
        read("x.tsv", "text_a\tlabel\n \x02\tO\x02\n")


def test_words_and_tags_of_palm_2_are_as_many(read):
    with pytest.raises(DataError, match="found 3 words and 2 tags"):
        read("x.tsv", "text_a\tlabel\nthe\x02cats\x02sat\x02\tO\x02O\x02\n")


def test_columns_may_have_other_names(read):
    records = read("x.tsv", "tags\ttokens\nO O\tthe cat\n", columns="text_a=tokens,label=tags")
    assert without_lines(records) == [{"words": ["the", "cat"], "labels": ["O", "O"]}]


def test_predicting_needs_no_tags(read):
    assert without_lines(read("x.tsv", "text_a\nthe cat\n\nsat\n", "predict")) == [
        {"words": ["the", "cat"]},
        {"words": []},
        {"words": ["sat"]},
    ]
    assert without_lines(read("x.conll", "the\ncat\n\nsat\n", "predict")) == [
        {"words": ["the", "cat"]},
        {"words": ["sat"]},
    ]
    assert read("x.conll", "the O\ncat B\n", "predict")[0]["labels"] == ["O", "B"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.tsv",
            "text_a\tlabel\nthe cat\tO\n",
            "x.tsv:2: every word needs one tag, found 2 words and 1 tag (`text_a` `the cat`).",
        ),
        ("x.tsv", "text_a\tlabel\nthe cat\t\n", "x.tsv:2: `label` must contain text, found it empty."),
        ("x.tsv", "text_a\tlabel\n\tO\n", "x.tsv:2: `text_a` must contain text, found it empty."),
        ("x.tsv", "the cat sat\tx y\n", "x.tsv:1: the first row must name the columns, expected label, text_a"),
        (
            "x.jsonl",
            '{"text_a": ["the", 3], "label": ["O", "O"]}',
            "x.jsonl:1: `text_a` must be a list of non-empty strings, found a number `3`.",
        ),
        (
            "x.jsonl",
            '{"text_a": ["the", ""], "label": ["O", "O"]}',
            "must be a list of non-empty strings, found a string ``",
        ),
        ("x.jsonl", '{"text_a": [], "label": []}', "x.jsonl:1: `text_a` must contain text, found it empty."),
        ("x.jsonl", '{"text_a": {"a": 1}, "label": "O"}', "x.jsonl:1: `text_a` must be a string, found an object"),
        ("x.jsonl", '{"text_a": ["\\ud800"], "label": ["O"]}', "found half of a surrogate pair"),
        ("x.conll", "the\tO\ncat\n", "x.conll:2: expected a word and its tag, found one column `cat`. Add the tag."),
        ("x.conll", "the\tO\ncat\tX\tO\n", "x.conll:2: expected 2 columns as in the first line, found 3."),
        ("x.conll", "the\tO\n\tO\n", "x.conll:2: expected a word and its tag, found an empty column in `\\tO`."),
        ("x.conll", "the\tO\ncat\t \n", "x.conll:2: expected a word and its tag, found an empty column"),
        ("x.conll", "-DOCSTART- O\n", "x.conll: a data file must contain examples, found no sentence."),
    ],
)
def test_what_is_refused(read, name, content, message):
    with pytest.raises(DataError) as caught:
        read(name, content)
    assert message in str(caught.value)


@pytest.fixture
def load(tokenizer, write):
    def load_sentences(*sentences, phase="train", labels=None, **keys):
        rows = [{"text_a": words.split(), "label": tags.split()} for words, tags in sentences]
        path = write("x.jsonl", "\n".join(json.dumps(row) for row in rows))
        reader = TaggingReader(TaggingReaderConfig(**keys), tokenizer, labels)
        return reader, load_dataset(reader, path, phase)

    return load_sentences


def test_the_first_piece_carries_the_tag(load, ids):
    reader, dataset = load(("the cats sat", "O B-x I-x"), ("我", "O"))
    assert reader.labels == LabelMap(("B-x", "I-x", "O"))
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] the cat ##s sat [SEP]")
    assert dataset.ragged("label_ids")[0].tolist() == [-100, 2, 0, -100, 1, -100]
    assert dataset.ragged("word_index")[0].tolist() == [-1, 0, 1, -1, 2, -1]


def test_a_batch(load, ids):
    reader, dataset = load(("the cats sat", "O B-x I-x"), ("我", "O"))
    batch = reader.collate(dataset, np.array([1, 0]), np.random.default_rng(0))
    assert batch["token_ids"][0].tolist() == ids("[CLS] 我 [SEP] [PAD] [PAD] [PAD]")
    assert batch["label_ids"].tolist() == [[-100, 2, -100, -100, -100, -100], [-100, 2, 0, -100, 1, -100]]
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr("train").items()}


def test_a_long_sentence_becomes_windows(load, ids):
    _, dataset = load(("a b cats d", "O O B-x O"), ("e", "O"), max_seq_len=5)
    assert [row.tolist() for row in dataset.ragged("token_ids")] == [
        ids("[CLS] a b [SEP]"),
        ids("[CLS] cat ##s d [SEP]"),
        ids("[CLS] e [SEP]"),
    ]
    assert [row.tolist() for row in dataset.ragged("word_index")] == [[-1, 0, 1, -1], [-1, 2, -1, 3, -1], [-1, 0, -1]]
    assert [row.tolist() for row in dataset.ragged("label_ids")] == [
        [-100, 1, 1, -100],
        [-100, 0, -100, 1, -100],
        [-100, 1, -100],
    ]
    assert dataset.array("record").tolist() == [0, 0, 1]


@given(st.lists(st.sampled_from(["the", "cats", "😀", "mat.mat.mat", "\u200b", "x" * 150, "catssssss"]), max_size=12))
def test_every_word_has_one_place_whatever_it_is(tokenizer, tmp_path_factory, words):
    reader = TaggingReader(TaggingReaderConfig(max_seq_len=6), tokenizer)
    dataset = reader.encode([{"line": 1, "words": words}], tmp_path_factory.getbasetemp(), "predict")
    index = np.concatenate([dataset.ragged("word_index")[row] for row in range(dataset.num_examples)])
    assert index[index >= 0].tolist() == list(range(len(words)))
    assert dataset.lengths.max() <= 6


def test_an_unknown_tag(load):
    with pytest.raises(
        DataError, match=r"x\.jsonl:1: label out of range: the 2 labels are B-x, O, found `B-z`\. Did you mean"
    ):
        load(("the cat", "O B-z"), phase="eval", labels=LabelMap(("B-x", "O")))


def test_an_unknown_tag_may_count_as_wrong(load):
    _, dataset = load(
        ("the cat", "O B-z"), phase="eval", labels=LabelMap(("B-x", "O")), on_unknown_label="count_as_wrong"
    )
    assert dataset.ragged("label_ids")[0].tolist() == [-100, 1, -100, -100]
    assert dataset.records[0]["labels"] == ["O", "B-z"]


def test_no_tags_when_predicting(load):
    reader, dataset = load(("the cat", "O B-z"), phase="predict", labels=LabelMap(("B-x", "O")))
    batch = reader.collate(dataset, np.array([0]), np.random.default_rng(0))
    assert set(batch) == set(reader.outputs_attr("predict"))
    assert "label_ids" not in batch


def test_tags_may_be_numbers_and_a_head_may_have_more_classes(tokenizer, write):
    content = '{"text_a": ["the", "cat"], "label": [1, 0]}\n{"text_a": ["我"], "label": [true]}\n'
    reader = TaggingReader(TaggingReaderConfig(), tokenizer)
    load_dataset(reader, write("x.jsonl", content), "train")
    assert reader.labels.names == ("0", "1", "true")
    assert reader.labels.tag_scheme == "none"
    for n_classes in (4, 20):
        reader = TaggingReader(TaggingReaderConfig(n_classes=n_classes), tokenizer)
        load_dataset(reader, write("x.tsv", "label\ttext_a\nO B-x I-x\tthe cat sat\n"), "train")
        assert len(reader.labels) == n_classes
        assert reader.labels.tag_scheme == "bio"
        scheme = TagScheme.of("bio", reader.labels.names)
        assert scheme.split("[unused3]") == ("O", "_")
    reader = TaggingReader(TaggingReaderConfig(n_classes=4), tokenizer)
    load_dataset(reader, write("x.tsv", "label\ttext_a\nO per\tthe cat\n"), "train")
    assert reader.labels.tag_scheme == "io"


def test_lemmas_of_conllu_are_rules(tokenizer, write):
    rows = [("The", "the"), ("studies", "study"), ("went", "go"), ("北京", "北京")]
    lines = ["\t".join([str(number), word, lemma, *"_______"]) for number, (word, lemma) in enumerate(rows, 1)]
    file = write("x.conllu", "\n".join(lines) + "\n")
    for called in ("LEMMA_RULE", "lemma_rule"):
        reader = TaggingReader(TaggingReaderConfig(columns={"label": called}), tokenizer)
        data = load_dataset(reader, file, "train")
        assert data.records[0]["labels"] == ["↓0;0¦¦0¦", "↓0;0¦¦3¦y", ";=go", "↓0;0¦¦0¦"]
        assert reader.labels.tag_scheme == "none"
