from pathlib import Path

import numpy as np
import pytest

from palm.data.dataset import Dataset, LabelMap, Ragged
from palm.data.stored_dataset import read_dataset, write_columns, write_description, write_records

RECORDS = [
    {"line": 2, "text_a": "我爱\u2028北京\n\t", "label": "旅行"},
    {"line": 3, "text_a": "", "words": ["the", "cat"], "answers": [{"text": "x", "answer_start": -1}]},
    {"line": 4, "text_a": "half a pair \ud800", "is_impossible": True},
]


def part(rows, labels):
    columns = {
        "token_ids": Ragged.from_rows(rows),
        "segment_ids": Ragged.from_rows([[0] * len(row) for row in rows], "int8"),
        "record": np.arange(len(rows)),
        "label_ids": np.array(labels, "int64"),
    }
    return Dataset(columns, [{}] * len(rows), Path("x"))


def test_records_come_back_one_by_one_or_in_slices(tmp_path):
    stored = write_records(iter(RECORDS), tmp_path)
    assert list(stored) == RECORDS
    assert len(stored) == 3
    assert [stored[0], stored[-1], stored[1:], stored[::2]] == [RECORDS[0], RECORDS[2], RECORDS[1:], RECORDS[::2]]
    assert stored.index(RECORDS[1]) == 1
    for index in (3, -4):
        with pytest.raises(IndexError, match="The data set has 3 records"):
            stored[index]


def test_no_records_are_no_records(tmp_path):
    assert list(write_records([], tmp_path)) == []


def test_more_records_than_offsets_are_kept_back(tmp_path, monkeypatch):
    monkeypatch.setattr("palm.data.stored_dataset._OFFSETS_AT_ONCE", 2)
    records = [{"line": number} for number in range(7)]
    assert list(write_records(records, tmp_path)) == records


def test_the_words_of_labels_come_back(tmp_path):
    write_records(RECORDS, tmp_path)
    write_columns([part([[1]], [0])], tmp_path)
    for words in (None, (("汽车", "车"), ("culture",))):
        write_description(tmp_path, labels=LabelMap(("news_car", "news_culture"), words=words), notes=[])
        _, labels = read_dataset(tmp_path, Path("训练.tsv"))
        assert labels is not None
        assert labels.words == words


def test_parts_become_one_data_set(tmp_path):
    write_records(RECORDS, tmp_path)
    write_columns([part([[1, 2], []], [5, 6]), part([[300]], [-100])], tmp_path)
    write_description(tmp_path, labels=LabelMap(("一", "\udfff")), notes=["三 labels …"])
    dataset, labels = read_dataset(tmp_path, Path("训练.tsv"))
    assert (labels, dataset.notes, dataset.file) == (LabelMap(("一", "\udfff")), ("三 labels …",), Path("训练.tsv"))
    assert [row.tolist() for row in map(dataset.ragged("token_ids").__getitem__, range(3))] == [[1, 2], [], [300]]
    assert dataset.ragged("token_ids").offsets.tolist() == [0, 2, 2, 3]
    assert dataset.ragged("segment_ids").values.dtype == "int8"
    assert dataset.array("record").tolist() == [0, 1, 2]
    assert dataset.array("label_ids").tolist() == [5, 6, -100]
    assert list(dataset.records) == RECORDS


def test_arrays_are_mapped_and_cannot_be_written(tmp_path):
    write_records(RECORDS[:1], tmp_path)
    write_columns([part([[1, 2]], [5])], tmp_path)
    write_description(tmp_path, labels=None, notes=[])
    dataset, labels = read_dataset(tmp_path, Path("x"))
    values = dataset.ragged("token_ids").values
    assert labels is None
    assert type(values) is np.ndarray
    assert isinstance(values.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 9
    # A numpy that knows nothing of PALM reads the files.
    assert np.load(tmp_path / "token_ids.values.npy").tolist() == [1, 2]
