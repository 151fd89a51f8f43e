"""The scheme of a training file's tags, and the sentences of a data set that break it."""

import pytest

from palm.data.dataset import LabelMap
from palm.data.tag_schemes import TagScheme
from palm.errors import ConfigError
from palm.reader.loading import load_dataset
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig
from palm.reader.tag_checks import broken_records, describe_breaks, with_tag_scheme

HEADER = "text_a\tlabel\n"


@pytest.fixture
def load(tokenizer, write):
    def load_rows(*rows, phase="train", labels=None, **keys):
        reader = TaggingReader(TaggingReaderConfig(**keys), tokenizer, labels)
        lines = "".join(f"{text}\t{tags}\n" for text, tags in rows)
        return reader, load_dataset(reader, write("tags.tsv", HEADER + lines), phase)

    return load_rows


def test_the_scheme_is_learnt_with_the_tags(load):
    reader, _ = load(("the cat sat", "U-x B-y L-y"))

    assert reader.labels.tag_scheme == "bilou"
    assert reader.notes_on(load(("the cat sat", "U-x B-y L-y"))[1]) == ()


def test_the_key_wins_over_the_tags(load):
    assert load(("the cat", "NN VB"), tag_scheme="IO")[0].labels.tag_scheme == "io"
    assert load(("the cat", "B-x O"), tag_scheme="BIOES")[0].labels.tag_scheme == "iobes"
    with pytest.raises(
        ConfigError, match=r"tag_scheme: the scheme `iob1` has the letters B, I, O. Found tags such as L-x"
    ):
        load(("the cat", "B-x L-x"), tag_scheme="iob1")


def test_given_labels_are_looked_at_in_training_alone(load):
    labels = LabelMap(("B-x", "E-x", "O"))

    assert load(("the cat", "B-x E-x"), labels=labels)[0].labels.tag_scheme == "iobes"
    assert load(("the cat", "B-x E-x"), labels=labels, phase="eval")[0].labels.tag_scheme is None
    assert with_tag_scheme(labels, "auto", [["B-x", "E-x"]]).names == labels.names


def test_sentences_that_break_the_scheme_are_counted(load):
    rows = [("the cat", "B-x I-x"), ("the cat", "B-x I-x"), ("the cat sat", "O I-x O"), ("sat", "I-x")]
    reader, data = load(*rows)

    assert reader.notes_on(data) == ("2 of 4 sentences break the tag scheme bio, such as line 4 (I-x after O).",)
    assert describe_breaks(1, 2, TagScheme("iobes"), 7, ("B-x", "O")).endswith("such as line 7 (B-x before O)")


def test_windows_of_a_sentence_are_no_sentences(load):
    """Six words in windows of three: an I at a window's beginning goes on with what the window before ends with."""
    text, tags = "the cat sat the cat sat", "B-x I-x I-x I-x I-x I-x"
    reader, data = load((text, tags), ("the cat sat the cat", "B-x I-x O I-x O"), max_seq_len=5)

    assert len(data.columns["record"]) > 3
    assert broken_records(data, TagScheme("bio"), reader.labels.names).tolist() == [1]
    assert reader.notes_on(data) == ("1 of 2 sentences breaks the tag scheme bio, such as line 3 (I-x after O).",)


def test_the_end_of_a_sentence_counts(load):
    reader, data = load(("the cat", "B-x E-x"), ("the cat", "S-x B-x"), ("the", "O"))

    assert broken_records(data, TagScheme("iobes"), reader.labels.names).tolist() == [1]


def test_large_files_keep_their_scheme_in_the_cache(load, tmp_path, monkeypatch):
    monkeypatch.setenv("PALM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("palm.reader.loading.SMALLEST_FILE", 0)
    first, _ = load(("the cat", "PER-U PER-U"))
    again, data = load(("the cat", "PER-U PER-U"))

    assert type(data.records).__name__ == "StoredRecords"
    assert (first.labels.tag_scheme, again.labels.tag_scheme) == ("bilou", "bilou")
