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
        examples: Of each task, which of its examples each row is, -1 where it has no label for it: int64[rows].
    """

    lengths: IntArray
    examples: Mapping[str, IntArray]

    def examples_of(self, task: str, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The examples of `task` among `rows`, and where among them they are."""
        examples = self.examples[task][rows]
        places = np.flatnonzero(examples >= 0)
        return examples[places], places


def match_rows(datasets: Mapping[str, Dataset]) -> SharedRows:
    """Match the examples of `datasets` by their tokens and segments.

    Of equal texts the first is matched with the first, and so on. The rows are those of the
    first data set in its order, then what the others have besides.
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
    """What tells each example from those of other texts, and its length."""
    tokens = dataset.ragged("token_ids")
    segments = dataset.ragged("segment_ids") if "segment_ids" in dataset.columns else None
    seen: Counter[tuple[bytes, bytes]] = Counter()
    for number in range(dataset.num_examples):
        own = tokens[number]
        second = b"" if segments is None else np.flatnonzero(segments[number]).astype("int32").tobytes()
        text = own.astype("int32").tobytes(), second
        yield (*text, seen[text]), len(own)
        seen[text] += 1
