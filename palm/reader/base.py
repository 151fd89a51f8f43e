"""What every reader is: a file becomes records, records become a tokenised data set, rows of it become a batch."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.data.dataset import Batch, Dataset, IntArray, LabelMap, Record
from palm.data.tokenizer import Tokenizer
from palm.reader.loading import load_cached
from palm.registry import Registry
from palm.schema.fields import ReaderFields
from palm.spec import Phase, Specs

LOG = logging.getLogger(__name__)


class Reader(ABC):
    """Reads one kind of data set. Concrete readers are final.

    Args:
        config: An instance of the class's `Config`.
        tokenizer: Splits text into word-pieces of the run's vocabulary.
        labels: Label names where they are known (an inference model); otherwise `load` learns them in phase `train`.
    """

    Config: ClassVar[type[ReaderFields]]
    cache_version: ClassVar[str | None] = None
    """Change it whenever `encode` makes something else of the same file; without one nothing is cached."""
    by_record: ClassVar[bool] = False
    """Whether `encode` handles each record by itself, so that a large file can be encoded part by part."""

    def __init__(self, config: ReaderFields, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.labels = labels

    @abstractmethod
    def outputs_attr(self, phase: Phase) -> Specs:
        """What a batch of `collate` holds. No gold column in phase `predict`."""

    @abstractmethod
    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The file's records one by one: plain data that JSON can hold.

        Raises:
            DataError: After the last, with file and line of everything that is wrong.
        """

    @abstractmethod
    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """Label names found in `records`; None for a reader without labels."""

    @abstractmethod
    def encode(self, records: Sequence[Record], file: Path, phase: Phase) -> Dataset:
        """Tokenise `records`.

        Raises:
            DataError: A label that `self.labels` lacks, an answer that is not where it should be.
        """

    @abstractmethod
    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One batch of the examples `rows`, padded to the longest. `generator` drives what is random (MLM masks)."""

    def read(self, file: Path, phase: Phase) -> list[Record]:
        """All records of the file.

        Raises:
            DataError: With file and line of everything that is wrong.
        """
        return list(self.parse(file, phase))

    def load(self, file: Path, phase: Phase) -> Dataset:
        """Read and tokenise `file`, or map what the cache has of it.

        In phase `train` the labels are learnt, unless they are known.

        Raises:
            DataError: With file and line of everything that is wrong.
        """
        dataset = load_cached(self, file, phase)
        if dataset is None:
            records = self.read(file, phase)
            self.prepare(records, phase)
            dataset = self.encode(records, file, phase)
        for note in dataset.notes:
            LOG.warning("%s: %s", file, note)
        return dataset

    def prepare(self, records: Sequence[Record], phase: Phase) -> None:
        """Learn the labels of a training file, unless they are known."""
        if phase == "train" and self.labels is None:
            self.labels = self.learn_labels(records)


READERS: Registry[type[Reader]] = Registry("reader")
