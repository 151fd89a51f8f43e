"""The reader `pairwise_match`: a text, one that matches it, and one that does not."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, pair_row, split_examples
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.column_names import PAIRS, TRIPLES, ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.rows import check_pieces, column_texts, parse_text_rows
from palm.spec import Phase, Spec, Specs

BETTER = "1"
"""Label of a row whose matching text has the higher score, as it should."""


class PairwiseMatchReaderConfig(TableFields):
    """Keys of the reader `pairwise_match`."""

    known_columns: ClassVar[tuple[str, ...]] = ("text_a", "text_b", "text_b_neg")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TRIPLES, PAIRS)


@READERS.register("pairwise_match")
class PairwiseMatchReader(Reader):
    """Reads `{"text_a": str, "text_b": str, "text_b_neg": str, "line": int}` from tsv or jsonl.

    A row becomes two sequences, `text_a` with each of the others; to predict `text_b_neg` is left out, and it is one.
    """

    Config = PairwiseMatchReaderConfig
    segments = 2
    text_columns = ("text_a", "text_b")
    cache_version = "1"
    gold_keys = ()
    by_record = True
    one_text_per_row = False

    def __init__(self, config: PairwiseMatchReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: PairwiseMatchReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, and unless predicting the rows of each matching pair and of the other one."""
        return INPUTS if phase == "predict" else {**INPUTS, "pair_rows": Spec("batch pair", "int64")}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one; texts may be empty when predicting."""
        return self._records(file, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The text and the others."""
        return tuple(str(record[name]) for name in ("text_a", "text_b", "text_b_neg") if name in record)

    def longest_sequence_of(self, record: Record) -> tuple[str, ...]:
        """The text and the longer of the others: each is a sequence of its own."""
        first, *others = self.texts_of(record)
        return first, max(others, key=len)

    def labels_of(self, record: Record) -> list[str]:
        """None: what is right is the order of two texts."""
        return []

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None, as above."""
        return None

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP] text_b [SEP]`, and the same with text_b_neg; each is cut to max_seq_len."""
        names = ("text_b",) if phase == "predict" else ("text_b", "text_b_neg")
        pieces = {name: self.tokenizer.encode_ids(column_texts(records, name)) for name in ("text_a", *names)}
        check_pieces(records, pieces, source, phase)
        limit = self.config.max_seq_len
        rows = [
            [pair_row(first, second, self.tokenizer, limit) for second in others]
            for first, *others in zip(*pieces.values(), strict=True)
        ]
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows([list(chain.from_iterable(tokens for tokens, _ in own)) for own in rows]),
            "segment_ids": Ragged.from_rows([list(chain.from_iterable(ids for _, ids in own)) for own in rows], "int8"),
            "sequence_lengths": Ragged.from_rows([[len(tokens) for tokens, _ in own] for own in rows]),
            "record": np.arange(len(records)),
        }
        return Dataset(columns, records, source)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """The sequences of the examples `rows` as one padded batch, those of a row side by side; nothing is random."""
        flat = split_examples(dataset, rows, ("token_ids", "segment_ids"), lengths="sequence_lengths")
        total = flat.num_examples
        batch = pad_inputs(flat, np.arange(total), pad_id=self.tokenizer.pad_id)
        if total > len(rows):
            batch["pair_rows"] = np.arange(total, dtype="int64").reshape(len(rows), 2)
        return batch

    def part(self, batch: Batch, examples: int, start: int, end: int) -> Batch:
        """As the base's, with the sequences counted from 0."""
        found = super().part(batch, examples, start, end)
        found["pair_rows"] = found["pair_rows"] - self.sequences_of(batch, start, end)[0]
        return found

    def sequences_of(self, batch: Batch, start: int, end: int) -> tuple[int, int]:
        """The two sequences of each example."""
        return 2 * start, 2 * end

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        texts = ("text_a", "text_b") if phase == "predict" else ("text_a", "text_b", "text_b_neg")
        records = parse_text_rows(source, self.config, texts=texts, phase=phase, gold=())
        for record in records:
            yield record if phase == "predict" else {**record, "label": BETTER}
