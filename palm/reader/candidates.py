"""Readers of a text with several candidates, each of which becomes a sequence `[CLS] text_a [SEP] candidate [SEP]`."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, pair_row, split_examples
from palm.reader.base import Reader
from palm.reader.rows import column_texts
from palm.spec import Phase, Spec, Specs

CANDIDATE_INPUTS: Specs = {
    "choice_rows": Spec("batch choice", "int64"),
    "choice_mask": Spec("batch choice", "float32"),
}
"""The sequences of each example's candidates, and which of them there are."""


class CandidateReader(Reader):
    """A batch of examples consists of the sequences of all their candidates, those of an example side by side."""

    segments = 2
    gold_keys = ()
    by_record = True
    one_text_per_row = False
    text_columns: tuple[str, ...] = ("text_a", "choices")
    gold_specs: ClassVar[Specs]
    """The gold columns of a batch."""

    @abstractmethod
    def parse_source(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of a file, or of rows from a program, one by one."""

    @abstractmethod
    def encode_gold(self, records: Sequence[Record]) -> Mapping[str, Ragged | np.ndarray]:
        """The gold columns of a data set."""

    @abstractmethod
    def collate_gold(self, dataset: Dataset, rows: IntArray, kept: Sequence[IntArray]) -> Batch:
        """The gold columns of a batch.

        Args:
            dataset: The data set, with gold.
            rows: The examples of the batch.
            kept: Which candidates of each example the batch has.
        """

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs of all candidates, their assignment to examples, and the gold unless predicting."""
        return {**INPUTS, **CANDIDATE_INPUTS, **({} if phase == "predict" else self.gold_specs)}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one."""
        return self.parse_source(file, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self.parse_source(rows, phase)

    def candidates_of(self, record: Record) -> Sequence[str]:
        """The candidates of a record."""
        return cast("Sequence[str]", record["choices"])

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The text and its candidates."""
        return str(record["text_a"]), *self.candidates_of(record)

    def longest_sequence_of(self, record: Record) -> tuple[str, ...]:
        """The text and its longest candidate: every candidate is a separate sequence."""
        return str(record["text_a"]), max(self.candidates_of(record), key=len)

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None: what is right is a candidate, which has no name."""
        return None

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP] candidate [SEP]` of each candidate, in order."""
        candidates = [self.candidates_of(record) for record in records]
        first = self.tokenizer.encode_ids(column_texts(records, "text_a"))
        second = iter(self.tokenizer.encode_ids(list(chain.from_iterable(candidates))))
        limit = self.config.max_seq_len
        rows = [
            [pair_row(text, next(second), self.tokenizer, limit) for _ in own]
            for text, own in zip(first, candidates, strict=True)
        ]
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows([list(chain.from_iterable(tokens for tokens, _ in own)) for own in rows]),
            "segment_ids": Ragged.from_rows([list(chain.from_iterable(ids for _, ids in own)) for own in rows], "int8"),
            "choice_lengths": Ragged.from_rows([[len(tokens) for tokens, _ in own] for own in rows]),
            "record": np.arange(len(records)),
        }
        if phase != "predict":
            columns |= self.encode_gold(records)
        return Dataset(columns, records, source)

    def kept_candidates(self, dataset: Dataset, row: int, generator: np.random.Generator) -> IntArray:
        """Which candidates of an example a batch has, in order: by default all of them."""
        del generator
        return np.arange(len(dataset.ragged("choice_lengths")[row]))

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """The candidates of the examples `rows` as one padded batch."""
        kept = [self.kept_candidates(dataset, row, generator) for row in rows]
        flat = split_examples(dataset, rows, ("token_ids", "segment_ids"), lengths="choice_lengths", kept=kept)
        total = flat.num_examples
        counts = np.array([len(own) for own in kept])
        mask = np.arange(counts.max()) < counts[:, None]  # [batch choice]
        numbers = np.zeros(mask.shape, "int64")
        numbers[mask] = np.arange(total)
        batch = pad_inputs(flat, np.arange(total), pad_id=self.tokenizer.pad_id)
        batch |= {"choice_rows": numbers, "choice_mask": mask.astype("float32")}
        return batch | (self.collate_gold(dataset, rows, kept) if self._has_gold(dataset) else {})

    def part(self, batch: Batch, examples: int, start: int, end: int) -> Batch:
        """As the base's, with the candidates counted from 0."""
        found = super().part(batch, examples, start, end)
        first, _ = self.sequences_of(batch, start, end)
        found["choice_rows"] = np.where(found["choice_mask"] > 0, found["choice_rows"] - first, 0)
        return found

    def sequences_of(self, batch: Batch, start: int, end: int) -> tuple[int, int]:
        """The candidates of the examples."""
        before = np.concatenate([[0], np.cumsum(batch["choice_mask"].sum(axis=1))])
        return int(before[start]), int(before[end])

    def _has_gold(self, dataset: Dataset) -> bool:
        return all(name in dataset.columns for name in self.gold_specs)
