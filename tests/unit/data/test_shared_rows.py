"""Rows of data sets with the same text are matched, whatever their order and whoever lacks some."""

from pathlib import Path

import numpy as np

from palm.data.dataset import Dataset, Ragged
from palm.data.shared_rows import match_rows


def dataset(*rows, segments=None):
    columns = {"token_ids": Ragged.from_rows(rows), "record": np.arange(len(rows))}
    if segments is not None:
        columns["segment_ids"] = Ragged.from_rows(segments, "int8")
    return Dataset(columns, [], Path("x"))


def test_rows_are_matched_by_text():
    rows = match_rows({"a": dataset([1, 2], [3], [4, 5, 6]), "b": dataset([4, 5, 6], [7, 8, 9, 9], [1, 2])})
    assert rows.lengths.tolist() == [2, 1, 3, 4]
    assert rows.examples["a"].tolist() == [0, 1, 2, -1]
    assert rows.examples["b"].tolist() == [2, -1, 0, 1]


def test_of_equal_texts_the_first_is_matched_with_the_first():
    rows = match_rows({"a": dataset([1], [2], [1]), "b": dataset([1], [1], [1])})
    assert rows.examples["a"].tolist() == [0, 1, 2, -1]
    assert rows.examples["b"].tolist() == [0, -1, 1, 2]


def test_texts_that_differ_in_their_segments_alone_are_two():
    pair = dataset([1, 2, 3], segments=[[0, 1, 1]])
    assert match_rows({"a": pair, "b": dataset([1, 2, 3])}).examples["b"].tolist() == [-1, 0]
    assert match_rows({"a": dataset([1, 2], segments=[[0, 0]]), "b": dataset([1, 2])}).examples["b"].tolist() == [0]


def test_the_examples_of_a_batch_and_their_places_in_it():
    rows = match_rows({"a": dataset([1], [2], [3]), "b": dataset([3], [2])})
    examples, places = rows.examples_of("b", np.array([2, 0, 1]))
    assert (examples.tolist(), places.tolist()) == ([0, 1], [0, 2])
