"""The interface of readers: from a file to records, to a tokenised data set, to batches.

`palm.reader.loading` does the first two steps for a file, with the cache.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from palm.data.dataset import ROWS, Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.prompt_form import PromptForm
from palm.data.sequences import INPUTS
from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError, Problem
from palm.reader.formats.row_table import RowTable
from palm.reader.formats.sources import RowSource, open_source
from palm.registry import Registry, component_problem
from palm.schema.fields import ReaderFields
from palm.spec import Phase, Specs

GOLD, TRUNCATED = ROW_FIELDS = ("gold", "truncated")
"""Fields of a prediction for the gold label of its row, and for a text that was cut."""

_NO_TEXT = (
    *("line", "label", "labels", "relevance", "target", "relations", "answers", "is_impossible", "kept", "offsets"),
)
"""What a record holds besides the texts that its prediction keeps."""


class Reader(ABC):
    """Reads one kind of data set. Concrete readers are final.

    Args:
        config: An instance of the class's `Config`.
        tokenizer: Splits text into tokens of the run's vocabulary.
        labels: Label names if known (an inference model); otherwise `prepare` collects them in phase `train`.
    """

    Config: ClassVar[type[ReaderFields]]
    cache_version: ClassVar[str | None] = None
    """Change it whenever the result of `encode` changes; without a version nothing is cached."""
    by_record: ClassVar[bool] = False
    """Whether `encode` handles records independently, so that a large file can be encoded in parts."""
    one_text_per_row: ClassVar[bool] = True
    """Whether a row of a batch is an unchanged text, so that tasks may share it; not if words are masked, or a text has
    several rows."""
    splits_long_texts: ClassVar[bool] = False
    """Whether a text longer than max_seq_len becomes several examples instead of being truncated."""
    segments: int = 1
    """How many segment ids its batches have: 2 for `[CLS] a [SEP] b [SEP]` with segments 0 and 1."""
    counts_positions: bool = True
    """Whether the positions of its batches count from 0."""
    record_unit: ClassVar[str] = "lines"
    """Unit of the records' `line`, for messages."""
    text_columns: tuple[str, ...] = ("text_a",)
    """The columns of a row to predict, in the order of the texts of `palm pred RUN/task TEXT TEXT`."""
    on_request: ClassVar[Mapping[str, str]] = {}
    """Columns of a batch that need a setting, and the setting: `label_sets` → `label_kind: several`."""
    gold_keys: ClassVar[Collection[str] | None] = None
    """Keys that only say how gold and files with it are read. None for a reader whose data sets to predict may depend
    on more than its keys, its tokenizer and `labels.splits_text`: it never reads for another one (`reads_alike`)."""

    def __init_subclass__(cls) -> None:
        """Refuse a method that is never called."""
        if "load" in vars(cls):
            rule = "a reader does not load data itself: palm.reader.loading does, with `read` and `encode`"
            raise TypeError(f"`{cls.__name__}.load`: {rule}. Move what it does to one of these.")

    def __init__(self, config: ReaderFields, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.labels = labels

    @property
    def prompt_form(self) -> PromptForm | None:
        """What a model needs to know of the template, once the labels are known; None for a reader without one."""
        return None

    @property
    def encoding_rules(self) -> Mapping[str, object] | None:
        """What a program without PALM needs beside the keys to encode rows, serializable as JSON; None for nothing."""
        return None

    @abstractmethod
    def outputs_attr(self, phase: Phase) -> Specs:
        """Columns of a batch of `collate`; no gold column in phase `predict`."""

    @abstractmethod
    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The file's records one by one, as JSON-serializable data.

        Raises:
            DataError: All problems with file and line, after the last record.
        """

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program, checked as strictly as those of a file.

        Raises:
            DataError: All problems with their rows (`rows[2]`), after the last record.
            ConfigError: This reader only reads files.
        """
        del rows, phase
        rule = "this reader only reads files. Define its method `parse_rows`, or predict a file"
        raise ConfigError(Problem(f"{ROWS}, {type(self).__name__}", f"{rule}."))

    @abstractmethod
    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """Label names found in `records`; None for a reader without labels."""

    @abstractmethod
    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """Tokenise `records`.

        Args:
            records: Records from `parse` or `parse_rows`.
            source: Their source, for messages: a file, or `ROWS`.
            phase: Purpose of the data set.

        Raises:
            DataError: A label that is not in `self.labels`, or an answer at a wrong offset.
        """

    @abstractmethod
    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """A batch of the examples `rows`, padded to the longest; `generator` samples what is random (MLM masks)."""

    def part(self, batch: Batch, examples: int, start: int, end: int) -> Batch:
        """The examples from `start` to `end` of a batch of `collate`, as padded as that, for one of several processes.

        Args:
            batch: The batch of all processes.
            examples: Number of its examples.
            start: The first example of the part.
            end: The one after its last example.

        Raises:
            ConfigError: An array of the batch has neither a row for each example nor one for each sequence.
        """
        first, last = self.sequences_of(batch, start, end)
        found = {}
        for name, array in batch.items():
            if name in INPUTS:
                found[name] = array[first:last]
            elif array.ndim and len(array) == examples:
                found[name] = array[start:end]
            else:
                rule = f"`{name}` of a batch has no row for each example, so it cannot be divided among processes"
                raise ConfigError(Problem(type(self).__name__, f"{rule}. Define the reader's method `part`."))
        return found

    def sequences_of(self, batch: Batch, start: int, end: int) -> tuple[int, int]:
        """The sequences, rows of `token_ids`, of the examples from `start` to `end`: the first, and after the last."""
        del batch
        return start, end

    def masks_before(self, batch: Batch, example: int) -> int:
        """Masked tokens of the examples before one of a batch of `collate`."""
        del batch, example
        return 0

    def files_beside(self, file: Path) -> tuple[Path, ...]:
        """Files that are read together with `file`."""
        del file
        return ()

    def row_of_texts(self, texts: Sequence[str]) -> dict[str, object]:
        """A row to predict of as many texts as there are `text_columns`."""
        return dict(zip(self.text_columns, texts, strict=True))

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The texts of a record that the model sees."""
        return tuple(str(record[name]) for name in ("text_a", "text_b") if name in record)

    def longest_sequence_of(self, record: Record) -> tuple[str, ...]:
        """The texts of a record's longest sequence."""
        return self.texts_of(record)

    @classmethod
    def columns_of(cls, config: Mapping[str, object]) -> tuple[str, ...]:
        """`text_columns` of a reader with these keys, without its tokenizer."""
        del config
        return cls.text_columns

    def tokens_around(self, texts: int) -> int:
        """Tokens of a sequence of `texts` texts beside theirs: special tokens, and those of a prompt."""
        return (self.tokenizer.pair if texts > 1 else self.tokenizer.single).num_special

    def labels_of(self, record: Record) -> list[str]:
        """The labels of a record: its `label`, possibly several, or its `labels`, such as one per word."""
        found = record.get("labels", record.get("label"))
        return [] if found is None else found if isinstance(found, list) else [str(found)]

    def group_of(self, record: Record) -> str:
        """What records have in common that belong on the same side of a split into training and dev rows."""
        texts = self.texts_of(record)
        shown = texts or [f"{name}={value}" for name, value in sorted(record.items()) if name != "line"]
        return "\n".join(shown)

    def stratum_of(self, record: Record) -> str:
        """The class of a record, which is as frequent among dev rows as among training rows; empty without one."""
        label = record.get("label")
        return label if self.labels is not None and isinstance(label, str) else ""

    def blank_words(self, record: Record) -> int:
        """How many words of a record are blanks, which are [UNK] on purpose."""
        return 0

    def label_counts(self, dataset: Dataset) -> list[int]:
        """How often each class of `labels` occurs in a data set with gold."""
        return count_classes_in(dataset, "label_ids", len(self.labels or ()))

    def gold_label(self, record: Record) -> object:
        """The gold of a record, as predictions keep it; None if it has none."""
        return record.get("labels", record.get("label"))

    def row_of(self, record: Record) -> dict[str, object]:
        """What a prediction keeps of its record: the columns that are kept, the texts, and `gold` if there is one."""
        gold = self.gold_label(record)
        texts = {name: value for name, value in record.items() if name not in _NO_TEXT}
        kept = cast("Mapping[str, object]", record.get("kept", {}))
        return {**kept, **texts, **({} if gold in (None, "") else {GOLD: gold})}

    def truncated(self, dataset: Dataset) -> list[int]:
        """The records that the model does not see to their end."""
        if self.splits_long_texts:
            return []
        limit, tokens, record = self.config.max_seq_len, dataset.ragged("token_ids"), dataset.array("record")
        return [
            int(record[row])
            for row in np.flatnonzero(dataset.lengths >= limit).tolist()
            if self._tokens_of(dataset.records[record[row]], tokens[row]) > limit
        ]

    @property
    def longest_text(self) -> str:
        """The limit to which `truncated` records were cut, for messages."""
        return f"max_seq_len ({self.config.max_seq_len} tokens)"

    def _tokens_of(self, record: Record, row: IntArray) -> int:
        """Tokens of the longest sequence of `record` if it were not cut, with as many special tokens as `row` has."""
        special = np.isin(row, [self.tokenizer.cls_id, self.tokenizer.sep_id]).sum()
        sequences = max(int((row == self.tokenizer.cls_id).sum()), 1)
        texts = self.tokenizer.encode_ids(self.longest_sequence_of(record))
        return sum(map(len, texts)) + int(special) // sequences

    def remarks(self, records: Sequence[Record]) -> dict[str, str]:
        """Further lines of `palm check --data` about the records, by topic."""
        return {}

    def notes_on(self, dataset: Dataset) -> Sequence[str]:
        """What is worth a warning about data that are nevertheless trained on or evaluated, a sentence each."""
        return ()

    def records_of(self, source: RowSource, phase: Phase) -> Iterator[Record]:
        """The records of a text file or a table, one by one.

        Raises:
            DataError: All problems, with file and line, after the last record.
            ConfigError: A table, for a reader that only reads text files.
        """
        return self.parse(source, phase) if isinstance(source, Path) else self.parse_rows(source, phase)

    def read(self, file: str | Path | RowTable, phase: Phase) -> list[Record]:
        """All records of a file, a hub data set (`hf://name:split`) or a table.

        Raises:
            DataError: All problems, with file and line.
        """
        return list(self.records_of(open_source(file, self.config), phase))

    def reads_alike(self, other: "Reader", *, with_gold: bool) -> bool:
        """Whether rows to predict become an equal data set, and equal batches, in both readers.

        Args:
            other: Another reader.
            with_gold: Whether the rows may have more columns than `text_columns`, such as labels.
        """
        if self is other:
            return True
        if self.gold_keys is None or type(self) is not type(other) or self.tokenizer is not other.tokenizer:
            return False
        renamed = getattr(self.config, "columns", None)  # then a column of text may be one of gold, too
        ignored = set() if with_gold or renamed else set(self.gold_keys)
        same_words = _splits_text(self.labels) == _splits_text(other.labels)
        return same_words and self.config.model_dump(exclude=ignored) == other.config.model_dump(exclude=ignored)

    def prepare(self, records: Sequence[Record], phase: Phase) -> None:
        """Collect the labels of a training file, unless known."""
        if phase == "train" and self.labels is None:
            self.labels = self.learn_labels(records)


def _splits_text(labels: LabelMap | None) -> bool:
    return labels is not None and labels.splits_text


def count_classes_in(dataset: Dataset, column: str, classes: int) -> list[int]:
    """How often each of `classes` class ids occurs in `column`."""
    ids = dataset.columns.get(column, np.zeros(0, "int64"))
    values = ids.values if isinstance(ids, Ragged) else ids
    counts: list[int] = np.bincount(values[values >= 0], minlength=classes).tolist()
    return counts


READERS: Registry[type[Reader]] = Registry(
    "reader", lambda component: component_problem(component, Reader, ReaderFields)
)
