"""The reader `embed_pairs`: two texts per row that mean the same, or with a number for how similar they are."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, single_row
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.column_names import LABELS, PAIRS, ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.formats.cells import number_at
from palm.reader.formats.files import FileProblems
from palm.reader.rows import check_pieces, column_texts, parse_text_rows
from palm.schema.fields import PairKindFields
from palm.spec import Phase, Spec, Specs

NEAREST = "1"
"""Label of a row whose own text_b is the nearest of all, as it should."""


class EmbedPairsReaderConfig(TableFields, PairKindFields):
    """Keys of the reader `embed_pairs`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a", "text_b")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (PAIRS, LABELS)


@READERS.register("embed_pairs")
class EmbedPairsReader(Reader):
    """Reads `{"text_a": str, "text_b": str, "line": int}` from tsv or jsonl, with `label` if pairs are scored.

    Each text is a sequence of its own. A batch of positive pairs has each text_a once and each text_b once.
    """

    Config = EmbedPairsReaderConfig
    text_columns = ("text_a", "text_b")
    cache_version = "1"
    gold_keys = ()
    by_record = True
    one_text_per_row = False

    def __init__(self, config: EmbedPairsReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: EmbedPairsReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs and the two sequences of each row; unless predicting also what the pairs teach."""
        inputs = {**INPUTS, "text_rows": Spec("batch text", "int64")}
        if phase == "predict":
            return inputs
        scored = self.config.pair_kind == "scored"
        return {**inputs, ("label_values" if scored else "anchor_mask"): Spec("batch", "float32")}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one; texts may be empty when predicting."""
        return self._records(file, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def longest_sequence_of(self, record: Record) -> tuple[str, ...]:
        """The longer of the two texts: each is a sequence of its own."""
        return (max(self.texts_of(record), key=len),)

    def labels_of(self, record: Record) -> list[str]:
        """None: pairs have no classes."""
        return []

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None, as above."""
        return None

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP]` and `[CLS] text_b [SEP]`, each truncated to max_seq_len.

        Raises:
            DataError: A score that is no cosine.
        """
        pieces = {name: self.tokenizer.encode_ids(column_texts(records, name)) for name in self.text_columns}
        check_pieces(records, pieces, source, phase)
        limit = self.config.max_seq_len
        rows = [
            [single_row(ids, self.tokenizer, limit) for ids in pair]
            for pair in zip(pieces["text_a"], pieces["text_b"], strict=True)
        ]
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows([[*first, *second] for first, second in rows]),
            "sequence_lengths": Ragged.from_rows([[len(tokens) for tokens in pair] for pair in rows]),
            "record": np.arange(len(records)),
        }
        if phase != "predict" and self.config.pair_kind == "scored":
            columns["label_values"] = _scores(records, source)
        if phase != "predict" and self.config.pair_kind == "positive":
            columns["anchor_mask"] = np.ones(len(records), "float32")
        return Dataset(columns, records, source)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """The texts of the examples `rows` as one padded batch; nothing is random."""
        pairs = [_texts_of_example(dataset, int(row)) for row in rows]
        if "anchor_mask" in dataset.columns:
            texts, text_rows = _each_text_once(pairs)
        else:
            texts = [tokens for pair in pairs for tokens in pair]
            text_rows = np.arange(len(texts), dtype="int64").reshape(-1, 2)
        flat = Dataset({"token_ids": Ragged.from_rows(texts), "record": np.arange(len(texts))}, [], dataset.file)
        batch = pad_inputs(flat, np.arange(len(texts)), pad_id=self.tokenizer.pad_id)
        batch["text_rows"] = text_rows
        gold = {name: dataset.array(name)[rows] for name in ("label_values", "anchor_mask") if name in dataset.columns}
        return {**batch, **gold}

    def part(self, batch: Batch, examples: int, start: int, end: int) -> Batch:
        """As the base's, with the sequences counted from 0.

        Of positive pairs every part has all texts, since each is a negative of the other rows: what differs is for
        which rows the process computes the loss.
        """
        if "anchor_mask" in batch:
            own = np.zeros(examples, "float32")
            own[start:end] = 1.0
            return {**batch, "anchor_mask": own}
        found = super().part(batch, examples, start, end)
        found["text_rows"] = found["text_rows"] - self.sequences_of(batch, start, end)[0]
        return found

    def sequences_of(self, batch: Batch, start: int, end: int) -> tuple[int, int]:
        """The two sequences of each example; of positive pairs all of them."""
        return (0, len(batch["token_ids"])) if "anchor_mask" in batch else (2 * start, 2 * end)

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        scored = self.config.pair_kind == "scored"
        gold = ("label",) if scored else ()
        texts = self.text_columns
        records = parse_text_rows(source, self.config, texts=texts, phase=phase, gold=gold, read_gold=number_at)
        for record in records:
            yield record if scored or phase == "predict" else {**record, "label": NEAREST}


def _scores(records: Sequence[Record], source: DataSource) -> np.ndarray:
    """The similarity of each pair, float32[examples].

    Raises:
        DataError: One is not from -1 to 1.
    """
    problems = FileProblems(source)
    for record in records:
        if not -1.0 <= cast("float", record["label"]) <= 1.0:
            rule = f"`label` must be a similarity from -1 to 1, as a cosine is, found {record['label']:g}."
            problems.add(f"{rule} Divide scores by the largest possible one.", line=int(str(record["line"])))
    problems.raise_all()
    return np.array([record["label"] for record in records], "float32")


def _texts_of_example(dataset: Dataset, row: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of both texts."""
    tokens, lengths = dataset.ragged("token_ids")[row], dataset.ragged("sequence_lengths")[row]
    return tokens[: lengths[0]], tokens[lengths[0] :]


def _each_text_once(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[list[np.ndarray], IntArray]:
    """The different texts on the left and then those on the right, and for each pair the places of its two."""
    texts: list[np.ndarray] = []
    columns = []
    for side in (0, 1):
        known: dict[bytes, int] = {}
        for pair in pairs:
            if known.setdefault(pair[side].tobytes(), len(texts)) == len(texts):
                texts.append(pair[side])
        columns.append([known[pair[side].tobytes()] for pair in pairs])
    return texts, np.array(columns, "int64").T
