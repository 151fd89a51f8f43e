"""Rows without a label: an error, or left out on request."""

import json
from pathlib import Path

import pytest

from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.loading import load_dataset
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig
from tests.integration import tiny

LEFT_OUT = {"on_missing_label": "leave_out", "columns": {"label": "kind"}}


@pytest.fixture
def tokenizer(tmp_path):
    return Tokenizer.from_file(Path(tiny.write_vocab(tmp_path)), do_lower_case=True, for_cn=False)


def table(tmp_path, rows):
    file = tmp_path / "rows.tsv"
    lines = [["kind", "tags", "text_a"], *rows]
    file.write_text("".join("\t".join(row) + "\n" for row in lines), encoding="utf-8")
    return file


def test_one_file_serves_two_tasks_each_with_the_rows_that_it_has_labels_for(tmp_path, tokenizer):
    file = table(tmp_path, [["air", "O O", "bird flies"], ["", "O O", "红 鱼"], ["water", " ", "fish swims"]])
    kinds = ClassificationReader(ClassificationReaderConfig(**LEFT_OUT), tokenizer)
    assert [record["line"] for record in load_dataset(kinds, file, "train").records] == [2, 4]
    assert kinds.labels.names == ("air", "water")
    assert [record["line"] for record in load_dataset(kinds, file, "eval").records] == [2, 4]
    assert len(load_dataset(kinds, file, "predict").records) == 3
    config = TaggingReaderConfig(on_missing_label="leave_out", columns={"label": "tags"})
    tagged = load_dataset(TaggingReader(config, tokenizer), file, "train")
    assert [record["words"] for record in tagged.records] == [["bird", "flies"], ["红", "鱼"]]


def test_null_is_no_label_in_json_lines(tmp_path, tokenizer):
    file = tmp_path / "rows.jsonl"
    rows = [{"kind": None, "text_a": "fish"}, {"kind": 1, "text_a": "bird"}, {"kind": "0", "text_a": "cat"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = load_dataset(ClassificationReader(ClassificationReaderConfig(**LEFT_OUT), tokenizer), file, "train")
    assert [record["text_a"] for record in found.records] == ["bird", "cat"]


def test_a_missing_label_is_an_error_unless_said_otherwise(tmp_path, tokenizer):
    file = table(tmp_path, [["", "O", "fish"]])
    with pytest.raises(DataError, match=r"rows.tsv:2: `label` must contain a label, found it empty"):
        load_dataset(
            ClassificationReader(ClassificationReaderConfig(columns={"label": "kind"}), tokenizer), file, "train"
        )
    with pytest.raises(DataError, match=r"found every row left out \(on_missing_label: no label\)"):
        load_dataset(ClassificationReader(ClassificationReaderConfig(**LEFT_OUT), tokenizer), file, "train")
