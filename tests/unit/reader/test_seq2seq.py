"""Texts and their targets: from tables and pairs of files, cut and noted where they are long, in one padded batch."""

import numpy as np
import pytest
from pydantic import ValidationError

from palm.errors import DataError
from palm.reader.loading import load_dataset, load_rows
from palm.reader.seq2seq import Seq2SeqReader, Seq2SeqReaderConfig

TABLE = "text_a\ttarget\nthe cat sat\t我爱北京\nwho\tgood\n"


@pytest.fixture
def reader_of(tokenizer):
    return lambda **keys: Seq2SeqReader(Seq2SeqReaderConfig(**keys), tokenizer)


def batch_of(reader, data, rows):
    return reader.collate(data, np.array(rows), np.random.default_rng(0))


def test_a_batch(reader_of, write, ids):
    reader = reader_of()
    data = load_dataset(reader, write("x.tsv", "\ufeff" + TABLE.replace("\n", "\r\n")), "train")
    batch = batch_of(reader, data, [1, 0])
    assert batch["token_ids"].tolist() == [ids("[CLS] who [SEP] [PAD] [PAD]"), ids("[CLS] the cat sat [SEP]")]
    assert batch["target_ids"].tolist() == [[*ids("good [SEP]"), -100, -100, -100], ids("我 爱 北 京 [SEP]")]
    assert {name: (array.dtype, array.ndim) for name, array in batch.items()} == {
        name: (spec.dtype, spec.rank) for name, spec in reader.outputs_attr("train").items()
    }
    assert data.notes == ()


def test_a_part_of_a_batch_for_one_process(reader_of, write, ids):
    reader = reader_of()
    batch = batch_of(reader, load_dataset(reader, write("x.tsv", TABLE), "train"), [0, 1])
    part = reader.part(batch, 2, 1, 2)
    assert part["target_ids"].tolist() == [[*ids("good [SEP]"), -100, -100, -100]]
    assert part["token_ids"].shape == (1, 5)


def test_gold_is_not_needed_to_predict(reader_of):
    reader = reader_of()
    data = load_rows(reader, ["the cat", {"text_a": "", "target": "我"}], "predict")
    assert batch_of(reader, data, [0, 1]).keys() == reader.outputs_attr("predict").keys()
    assert [reader.row_of(record) for record in data.records] == [{"text_a": "the cat"}, {"text_a": "", "gold": "我"}]


def test_a_target_that_is_cut_does_not_end_and_is_noted(reader_of, write, ids):
    data = load_dataset(reader_of(max_target_len=4), write("x.tsv", TABLE), "train")
    assert data.ragged("target_ids")[0].tolist() == ids("我 爱 北 京")
    assert data.ragged("target_ids")[1].tolist() == ids("good [SEP]")
    assert data.notes == (
        "1 target of 2 with more than 3 tokens, cut there. Raise max_target_len to learn how they go on.",
    )


def test_words_that_cannot_be_written_are_noted(reader_of, write):
    data = load_dataset(reader_of(), write("x.tsv", "text_a\ttarget\nthe\t水 cat\n水\tcat\n"), "train")
    assert data.notes == (
        "1 target of 2 with words that the vocabulary has no tokens for. The model cannot write these words.",
    )


@pytest.mark.parametrize(
    "names", ["source\ttarget", "question\tanswer", "Article\tHighlights", "text_a\ttarget", "原文\t译文"]
)
def test_columns_by_names_that_people_use(reader_of, write, names):
    data = load_dataset(reader_of(), write("x.tsv", f"{names}\nthe cat\t我\n"), "train")
    assert [(record["text_a"], record["target"]) for record in data.records] == [("the cat", "我")]


def test_jsonl_with_columns_by_their_names(reader_of, write):
    reader = reader_of(columns={"text_a": "q", "target": "a"})
    data = load_dataset(reader, write("x.jsonl", '{"q": "the cat", "a": "我", "id": 1}\n'), "train")
    assert [(record["text_a"], record["target"]) for record in data.records] == [("the cat", "我")]


@pytest.mark.parametrize(("text", "target"), [("", "我"), ("the", ""), ("the", "\u200b")])
def test_empty_texts_are_refused_or_left_out(reader_of, write, text, target):
    file = write("x.tsv", f"text_a\ttarget\n{text}\t{target}\nthe\t我\n")
    with pytest.raises(DataError, match=r"x\.tsv:2: `(text_a|target)` must contain text"):
        load_dataset(reader_of(), file, "train")
    data = load_dataset(reader_of(skip_empty_text=True), file, "train")
    assert len(data.records) == 1
    assert "skip_empty_text" in data.notes[0]


def test_a_pair_of_files(reader_of, write, ids):
    reader = reader_of(target_ending=".zh")
    write("x.zh", "我\n爱\n")
    data = load_dataset(reader, write("x.en", "the\ncat\n"), "train")
    assert data.ragged("target_ids")[1].tolist() == ids("爱 [SEP]")
    alone = load_dataset(reader, write("test.en", "the\n\ncat"), "predict")
    assert [record["text_a"] for record in alone.records] == ["the", "", "cat"]


def test_a_pair_of_files_without_the_second(reader_of, write):
    with pytest.raises(DataError, match=r"x\.zh: the data file must be a file, found nothing"):
        load_dataset(reader_of(target_ending="zh"), write("x.en", "the\n"), "train")


@pytest.mark.parametrize("ending", ["../x", "", "a/b", "zh "])
def test_an_ending_is_no_path(ending):
    with pytest.raises(ValidationError, match="the ending of a file is expected, such as zh"):
        Seq2SeqReaderConfig(target_ending=ending)


def test_another_file_of_targets_is_another_data_set(reader_of, write, monkeypatch):
    """The cache goes by both files."""
    monkeypatch.setattr("palm.reader.loading.SMALLEST_FILE", 0)
    file, reader = write("x.en", "the\ncat\n"), reader_of(target_ending="zh")
    found = []
    for targets in ("我\n爱\n", "我\n北\n"):
        write("x.zh", targets)
        found.append(load_dataset(reader, file, "train").records[1]["target"])
    assert found == ["爱", "北"]
