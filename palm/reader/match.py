"""The reader `match`: two texts and their class per row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, pair_row
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.column_names import LABELS, PAIRS, ColumnGuess
from palm.reader.gold import (
    GOLD_KEYS,
    GOLD_ON_REQUEST,
    TextLabelFields,
    count_gold,
    gold_columns,
    gold_labels,
    gold_reader,
    gold_specs,
    learn_gold,
)
from palm.reader.rows import check_pieces, column_texts, parse_text_rows
from palm.spec import Phase, Specs


class MatchingReaderConfig(TextLabelFields):
    """Keys of the reader `match`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a", "text_b")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (PAIRS, LABELS)


@READERS.register("match")
class MatchingReader(Reader):
    """Reads `{"label": str, "text_a": str, "text_b": str, "line": int}` from tsv or jsonl."""

    Config = MatchingReaderConfig
    segments = 2
    text_columns = ("text_a", "text_b")
    cache_version = "1"
    by_record = True
    on_request = GOLD_ON_REQUEST
    gold_keys = GOLD_KEYS

    def __init__(self, config: MatchingReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: MatchingReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, and the gold unless predicting."""
        return INPUTS if phase == "predict" else {**INPUTS, **gold_specs(self.config)}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one; texts may be empty when predicting."""
        return self._records(file, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """The labels of a training file; by default the two classes `0` and `1`."""
        return learn_gold(records, self.config)

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP] text_b [SEP]`, with the longer text truncated until both fit max_seq_len."""
        pieces = {name: self.tokenizer.encode_ids(column_texts(records, name)) for name in ("text_a", "text_b")}
        check_pieces(records, pieces, source, phase)
        pairs = zip(pieces["text_a"], pieces["text_b"], strict=True)
        rows = [pair_row(first, second, self.tokenizer, self.config.max_seq_len) for first, second in pairs]
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows([tokens for tokens, _ in rows]),
            "segment_ids": Ragged.from_rows([segments for _, segments in rows], "int8"),
            "record": np.arange(len(records)),
        }
        labels, notes = gold_columns(records, self.labels, self.config, source, phase)
        return Dataset(columns | labels, records, source, notes)

    def label_counts(self, dataset: Dataset) -> list[int]:
        """How often each class occurs."""
        return count_gold(dataset, self.labels)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch, without randomness."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        return {**batch, **gold_labels(dataset, rows, self.labels)}

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        return parse_text_rows(
            source,
            self.config,
            texts=("text_a", "text_b"),
            phase=phase,
            read_gold=gold_reader(self.config),
        )
