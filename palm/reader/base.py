"""What every reader is: a file becomes records, records become a tokenised data set, rows of it become a batch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.config.fields import ReaderFields
from palm.dataset import Batch, Dataset, IntArray, LabelMap, Record
from palm.registry import Registry
from palm.spec import Phase, Specs
from palm.text.tokenizer import Tokenizer


class Reader(ABC):
    """Reads one kind of data set. Concrete readers are final.

    Args:
        config: An instance of the class's `Config`.
        tokenizer: Splits text into word-pieces of the run's vocabulary.
        labels: Label names where they are known (an inference model); otherwise `load` learns them in phase `train`.
    """

    Config: ClassVar[type[ReaderFields]]

    def __init__(self, config: ReaderFields, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.labels = labels

    @abstractmethod
    def outputs_attr(self, phase: Phase) -> Specs:
        """What a batch of `collate` holds. No gold column in phase `predict`."""

    @abstractmethod
    def read(self, file: Path, phase: Phase) -> list[Record]:
        """Parse the whole file.

        Raises:
            DataError: With file and line of everything that is wrong.
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

    def load(self, file: Path, phase: Phase) -> Dataset:
        """Read and tokenise `file`; in phase `train` learn the labels first, unless they are known."""
        records = self.read(file, phase)
        if phase == "train" and self.labels is None:
            self.labels = self.learn_labels(records)
        return self.encode(records, file, phase)


READERS: Registry[type[Reader]] = Registry("reader")
