"""Examples by record."""

from pathlib import Path

import numpy as np

from palm.data.dataset import Dataset
from palm.paradigm.grouping import examples_by_record


def groups(record: list[int], records: int) -> list[list[int]]:
    dataset = Dataset({"record": np.array(record, "int64")}, [{}] * records, Path("dev.json"))
    return [rows.tolist() for rows in examples_by_record(dataset)]


def test_windows_stay_in_order():
    assert groups([0, 0, 1, 2, 2, 2], 3) == [[0, 1], [2], [3, 4, 5]]


def test_records_without_examples_have_none():
    assert groups([1, 1, 3], 5) == [[], [0, 1], [], [2], []]


def test_examples_out_of_order():
    assert groups([1, 0, 1], 2) == [[1], [0, 2]]
