"""A file of tagged words without a header row is recognised by what it looks like."""

import pytest

from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig

CONLL = "the\tO\ncat\tB-x\n\n我\tO\n爱\tB-x\n"


@pytest.fixture
def load(tokenizer, write):
    def load_file(name, content, phase="train", **keys):
        return load_dataset(TaggingReader(TaggingReaderConfig(**keys), tokenizer), write(name, content), phase)

    return load_file


@pytest.mark.parametrize("ending", ["conll", "bio", "iob", "iob2", "bmes", "bioes", "bilou", "conllu", "IOB"])
def test_endings_of_conll(load, ending):
    dataset = load(f"x.{ending}", CONLL)
    assert [record["words"] for record in dataset.records] == [["the", "cat"], ["我", "爱"]]
    assert dataset.notes == ()


@pytest.mark.parametrize("name", ["x.txt", "x.tsv", "emerging.test.annotated", "train"])
def test_other_endings_are_looked_into(load, name):
    dataset = load(name, "# a comment\n" + CONLL)
    assert [record["labels"] for record in dataset.records] == [["O", "B-x"], ["O", "B-x"]]
    assert dataset.notes[0] == "no header row, one word per line: read as file_format: conll."


def test_a_header_row_makes_it_a_table(load):
    assert len(load("x.txt", "text_a\tlabel\nthe cat\tO O\n").records) == 1


@pytest.mark.parametrize(
    "content",
    [
        "the cat\tO\n我 爱\tO O\n",
        "words\ttags\nthe cat\tO O\n",
        "the cat/O\n",
        "the\ncat\n\nsat\n",
        "the\tO\n\ncat\tO\tO\n",
    ],
)
def test_what_is_neither_is_refused(load, content):
    with pytest.raises(DataError, match=r"x\.tsv:1: the first row must name the columns"):
        load("x.tsv", content)
