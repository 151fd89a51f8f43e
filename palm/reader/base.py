"""What every reader is: a file becomes records, records become a tokenised data set, rows of it become a batch.

`palm.reader.loading` does the first two of a file, through the cache.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.data.dataset import ROWS, Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Record
from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError, Problem
from palm.registry import Registry, component_problem
from palm.schema.fields import ReaderFields
from palm.spec import Phase, Specs


class Reader(ABC):
    """Reads one kind of data set. Concrete readers are final.

    Args:
        config: An instance of the class's `Config`.
        tokenizer: Splits text into word-pieces of the run's vocabulary.
        labels: Label names where they are known (an inference model); otherwise `prepare` learns them in phase `train`.
    """

    Config: ClassVar[type[ReaderFields]]
    cache_version: ClassVar[str | None] = None
    """Change it whenever `encode` makes something else of the same file; without one nothing is cached."""
    by_record: ClassVar[bool] = False
    """Whether `encode` handles each record by itself, so that a large file can be encoded part by part."""
    one_text_per_row: ClassVar[bool] = True
    """Whether a row of a batch is a text as it is, so that tasks may share it; not where words are masked, or where a
    text has several rows."""
    splits_long_texts: ClassVar[bool] = False
    """Whether a text longer than max_seq_len becomes several examples; else it is cut."""
    segments: ClassVar[int] = 1
    """How many segment ids its batches have: 2 for `[CLS] a [SEP] b [SEP]` with segments 0 and 1."""
    record_unit: ClassVar[str] = "lines"
    """What the `line` of the records counts, for messages."""
    on_request: ClassVar[Mapping[str, str]] = {}
    """What a batch holds with a setting alone, and the setting: `label_sets` → `label_kind: several`."""

    def __init_subclass__(cls) -> None:
        """Refuse a method that would never be called."""
        if "load" in vars(cls):
            rule = "a reader loads nothing itself: palm.reader.loading does, from what `read` and `encode` give"
            raise TypeError(f"`{cls.__name__}.load`: {rule}. Move what it does to one of these.")

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

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows that a program hands over, checked as strictly as those of a file.

        Raises:
            DataError: After the last, with the row (`rows[2]`) of everything that is wrong.
            ConfigError: This reader takes files alone.
        """
        del rows, phase
        rule = "this reader takes files alone. Define its method `parse_rows`, or predict a file"
        raise ConfigError(Problem(f"{ROWS}, {type(self).__name__}", f"{rule}."))

    @abstractmethod
    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """Label names found in `records`; None for a reader without labels."""

    @abstractmethod
    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """Tokenise `records`.

        Args:
            records: What `parse` or `parse_rows` gave.
            source: Where they come from, for messages: a file, or `ROWS`.
            phase: What the data set is for.

        Raises:
            DataError: A label that `self.labels` lacks, an answer that is not where it should be.
        """

    @abstractmethod
    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One batch of the examples `rows`, padded to the longest. `generator` drives what is random (MLM masks)."""

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The texts that a model sees of a record."""
        return tuple(str(record[name]) for name in ("text_a", "text_b") if name in record)

    def longest_sequence_of(self, record: Record) -> tuple[str, ...]:
        """The texts of the longest sequence that becomes of a record."""
        return self.texts_of(record)

    def labels_of(self, record: Record) -> list[str]:
        """The labels of a record: its `label`, which may be several, or its `labels`, such as one per word."""
        found = record.get("labels", record.get("label"))
        return [] if found is None else found if isinstance(found, list) else [str(found)]

    def remarks(self, records: Sequence[Record]) -> dict[str, str]:
        """What `palm check --data` says of the records beside lengths, labels and repetitions, by topic."""
        return {}

    def notes_on(self, dataset: Dataset) -> Sequence[str]:
        """What is worth a warning about data that are nevertheless trained on or evaluated, a sentence each."""
        return ()

    def read(self, file: Path, phase: Phase) -> list[Record]:
        """All records of the file.

        Raises:
            DataError: With file and line of everything that is wrong.
        """
        return list(self.parse(file, phase))

    def prepare(self, records: Sequence[Record], phase: Phase) -> None:
        """Learn the labels of a training file, unless they are known."""
        if phase == "train" and self.labels is None:
            self.labels = self.learn_labels(records)


READERS: Registry[type[Reader]] = Registry(
    "reader", lambda component: component_problem(component, Reader, ReaderFields)
)
