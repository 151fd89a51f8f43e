"""Ragged columns keep rows of different lengths apart."""

from pathlib import Path

import numpy as np
import pytest

from palm.data.dataset import Dataset, Ragged


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
