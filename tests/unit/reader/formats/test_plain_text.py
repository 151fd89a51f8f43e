"""Plain text serves `mlm`: a text per line, blank lines between documents."""

import pytest

from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.mlm import MaskedLMReader, MaskedLMReaderConfig


@pytest.fixture
def load(tokenizer, write):
    def load_file(name, content, phase="train", **keys):
        return load_dataset(MaskedLMReader(MaskedLMReaderConfig(**keys), tokenizer), write(name, content), phase)

    return load_file


def test_lines_are_texts_and_blank_lines_are_counted(load):
    dataset = load("x.txt", "the cat sat\n我爱\t北京\n \n\n where\n")
    assert [(record["line"], record["text_a"]) for record in dataset.records] == [
        (1, "the cat sat"),
        (2, "我爱\t北京"),
        (5, " where"),
    ]
    assert dataset.notes == ("plain text, one text per line; 2 blank lines between texts are skipped.",)


def test_a_header_row_makes_it_a_table_as_before(load):
    dataset = load("x.txt", "text_a\tx\nthe cat\t1\n")
    assert [record["text_a"] for record in dataset.records] == ["the cat"]
    assert dataset.notes == ()


def test_any_file_is_plain_text_where_the_key_says_so(load):
    assert len(load("x.tsv", "the cat\nsat\n", file_format="text").records) == 2
    with pytest.raises(DataError, match="the first row must name the columns"):
        load("x.tsv", "the cat\nsat\n")


def test_prediction_needs_masks(load):
    assert len(load("x.txt", "the [MASK]\n", "predict").records) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.txt: a data file must contain examples, found an empty file"),
        ("\n \n", "x.txt: a data file must contain examples, found an empty file"),
        ("the cat\n\x07\n", "x.txt:2: `text_a` must contain text, found only blanks and control characters"),
    ],
)
def test_what_is_refused(load, content, message):
    with pytest.raises(DataError) as caught:
        load("x.txt", content)
    assert message in str(caught.value)
