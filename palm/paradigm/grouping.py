"""Which examples of a data set belong to which record."""

import numpy as np

from palm.data.dataset import Dataset, IntArray


def examples_by_record(dataset: Dataset) -> list[IntArray]:
    """Numbers of the examples of each record, in order; an empty array for a record without any."""
    record = dataset.array("record")
    order = np.argsort(record, kind="stable")
    starts = np.searchsorted(record[order], np.arange(1, len(dataset.records)))
    return np.split(order, starts)
