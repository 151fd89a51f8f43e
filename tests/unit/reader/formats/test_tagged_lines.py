"""Sentences with their tags on one line."""

import pytest

from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig


@pytest.fixture
def load(tokenizer, write):
    def load_file(name, content, phase="train", **keys):
        dataset = load_dataset(TaggingReader(TaggingReaderConfig(**keys), tokenizer), write(name, content), phase)
        return [(r["line"], r["words"], r.get("labels")) for r in dataset.records], dataset.notes

    return load_file


EXPECTED = [(1, ["the", "cat/dog"], ["DT", "NN"]), (2, ["我", "爱"], ["PN", "VV"])]
NOTE = ("no header row, a sentence and its tags per line: read as file_format: lines.",)


@pytest.mark.parametrize(
    "content",
    [
        "the/DT cat/dog/NN\n我/PN  爱/VV \n",
        "the cat/dog\tDT NN\n我 爱\tPN VV\n",
        "the/DT cat/dog/NN\n我 爱\tPN VV\n",
    ],
)
@pytest.mark.parametrize("name", ["x.txt", "x.tsv", "x.pos"])
def test_both_forms(load, name, content):
    assert load(name, content) == (EXPECTED, NOTE)


def test_the_key_says_so_without_a_note(load):
    assert load("x.txt", "the/DT cat/dog/NN\n我/PN 爱/VV\n", file_format="lines") == (EXPECTED, ())


def test_a_line_to_predict_may_be_words_alone(load):
    found, _ = load("x.txt", "the cat\n我/PN 爱/VV\n", "predict", file_format="lines")
    assert found == [(1, ["the", "cat"], None), (2, ["我", "爱"], ["PN", "VV"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the/DT cat\n", "x.txt:1: a line must hold words with tags, `word/TAG word/TAG`"),
        ("the cat\tDT\n", "x.txt:1: every word needs one tag, found 2 words and 1 tag"),
        ("the/DT\n\ncat/NN\n", "x.txt:2: a line must hold words with tags"),
    ],
)
def test_what_is_refused(load, content, message):
    with pytest.raises(DataError) as caught:
        load("x.txt", content, file_format="lines")
    assert message in str(caught.value)
