"""Rows of several data sets with the same text: one pass of the encoder serves all their labels."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from palm.data.dataset import Dataset, IntArray


@dataclass(frozen=True)
class SharedRows:
    """The rows of several tasks' training data, one for each text.

    Attributes:
        lengths: Tokens of each row: int64[rows].
        examples: For each task, the index of its example in each row, -1 where the task has no label: int64[rows].
    """

    lengths: IntArray
    examples: Mapping[str, IntArray]

    def examples_of(self, task: str, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The examples of `task` in `rows`, and their indices in `rows`."""
        examples = self.examples[task][rows]
        row_indices = np.flatnonzero(examples >= 0)
        return examples[row_indices], row_indices


def match_rows(datasets: Mapping[str, Dataset]) -> SharedRows:
    """Match the examples of `datasets` by their tokens and segments.

    If a text occurs several times, its first occurrences match each other, then the second ones, and so on. The rows
    are those of the first data set in its order, then the remaining ones of the others.
    """
    found: dict[tuple[bytes, bytes, int], int] = {}
    lengths: list[int] = []
    numbers: dict[str, list[int]] = {}
    for name, dataset in datasets.items():
        numbers[name] = []
        for key, length in _keys(dataset):
            row = found.setdefault(key, len(found))
            numbers[name].append(row)
            if row == len(lengths):
                lengths.append(length)
    examples = {}
    for name, rows in numbers.items():
        examples[name] = np.full(len(found), -1, "int64")
        examples[name][rows] = np.arange(len(rows))
    return SharedRows(np.array(lengths, "int64"), examples)


def _keys(dataset: Dataset) -> Iterator[tuple[tuple[bytes, bytes, int], int]]:
    """The key by which each example is matched, and its length."""
    tokens = dataset.ragged("token_ids")
    segments = dataset.ragged("segment_ids") if "segment_ids" in dataset.columns else None
    seen: Counter[tuple[bytes, bytes]] = Counter()
    for number in range(dataset.num_examples):
        own = tokens[number]
        second = b"" if segments is None else np.flatnonzero(segments[number]).astype("int32").tobytes()
        text = own.astype("int32").tobytes(), second
        yield (*text, seen[text]), len(own)
        seen[text] += 1
