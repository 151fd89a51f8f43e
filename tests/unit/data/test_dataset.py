"""Ragged columns keep rows of different lengths apart."""

from pathlib import Path

import numpy as np
import pytest

from palm.data.dataset import AddedRows, Dataset, JoinedRecords, Ragged, SomeRecords


def test_rows_come_back():
    ragged = Ragged.from_rows([[1, 2, 3], [], [4]])
    assert [row.tolist() for row in ragged] == [[1, 2, 3], [], [4]]
    assert ragged.lengths.tolist() == [3, 0, 1]
    assert ragged.values.dtype == np.int32


def test_no_rows():
    assert len(Ragged.from_rows([])) == 0


def test_padding_goes_to_the_longest_or_a_given_width():
    ragged = Ragged.from_rows([[1, 2, 3], [4], [5, 6]], "int8")
    assert ragged.padded(np.array([1, 2]), fill=-1).tolist() == [[4, -1], [5, 6]]
    assert ragged.padded(np.array([1]), fill=0, width=3).tolist() == [[4, 0, 0]]


def test_columns_are_asked_for_by_their_kind():
    dataset = Dataset({"token_ids": Ragged.from_rows([[1, 2]]), "record": np.arange(1)}, [{}], Path("x"))
    assert dataset.num_examples == 1
    assert dataset.lengths.tolist() == [2]
    with pytest.raises(TypeError, match="ragged"):
        dataset.array("token_ids")
    with pytest.raises(TypeError, match="one length"):
        dataset.ragged("record")


def rows(*texts):
    tokens = Ragged.from_rows([[number] * (number + 1) for number in range(len(texts))])
    columns = {"token_ids": tokens, "record": np.arange(len(texts)), "label_ids": np.arange(len(texts))}
    return Dataset(columns, [{"text_a": text} for text in texts], Path("x.tsv"), ("a note",))


def test_rows_of_another_data_set_follow():
    found = rows("鱼", "bird").with_rows(rows("猫", "dog", "cow"), "3 rows of y.tsv").with_rows(rows("hen"), "z")
    assert [record["text_a"] for record in found.records] == ["鱼", "bird", "猫", "dog", "cow", "hen"]
    assert found.array("record").tolist() == [0, 1, 2, 3, 4, 5]
    assert found.array("label_ids").tolist() == [0, 1, 0, 1, 2, 0]
    assert [row.tolist() for row in map(found.ragged("token_ids").__getitem__, range(6))] == [
        [0], [1, 1], [0], [1, 1], [2, 2, 2], [0],
    ]  # fmt: skip
    assert found.added == (AddedRows(3, "3 rows of y.tsv"), AddedRows(1, "z"))
    assert (found.records_of_file, found.num_examples, found.file) == (2, 6, Path("x.tsv"))


def test_no_rows_of_another_data_set_change_nothing():
    whole = rows("鱼", "bird")
    found = whole.with_rows(whole.take(np.zeros(2, bool)), "none")
    assert list(found.records) == list(whole.records)
    assert found.array("record").tolist() == [0, 1]
    assert found.records_of_file == 2


def test_joined_records_are_a_sequence():
    first = SomeRecords([{"n": 0}, {"n": 9}, {"n": 1}], np.array([0, 2]))
    found = JoinedRecords([first, [], [{"n": 2}]])
    assert [record["n"] for record in found] == [0, 1, 2]
    assert found[-1] == {"n": 2}
    assert found[1:] == [{"n": 1}, {"n": 2}]
    with pytest.raises(IndexError, match="There are 3 records"):
        found[3]
    assert len(JoinedRecords([])) == 0
