"""Softmax in numpy."""

from pathlib import Path

import numpy as np
import pytest

from palm.data.dataset import Dataset
from palm.paradigm.decoding import examples_by_record, softmax


def test_softmax_by_hand():
    # e^0 : e^ln 3 = 1 : 3
    assert softmax(np.array([0.0, np.log(3.0)])).tolist() == pytest.approx([0.25, 0.75])


def test_large_logits_do_not_overflow():
    assert softmax(np.array([[1e4, 1e4], [-1e9, 0.0]], "float32")).tolist() == [[0.5, 0.5], [0.0, 1.0]]


def groups(record: list[int], records: int) -> list[list[int]]:
    dataset = Dataset({"record": np.array(record, "int64")}, [{}] * records, Path("dev.json"))
    return [rows.tolist() for rows in examples_by_record(dataset)]


def test_windows_stay_in_order():
    assert groups([0, 0, 1, 2, 2, 2], 3) == [[0, 1], [2], [3, 4, 5]]


def test_records_without_examples_have_none():
    assert groups([1, 1, 3], 5) == [[], [0, 1], [], [2], []]


def test_examples_out_of_order():
    assert groups([1, 0, 1], 2) == [[1], [0, 2]]
