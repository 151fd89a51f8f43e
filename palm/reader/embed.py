"""The reader `embed`: a text and its class per row, trained on as pairs of texts of equal and of different classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.data.dataset import UNLABELLED, Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, single_row
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.column_names import LABELS, TEXTS, ColumnGuess
from palm.reader.fields import LABEL_KEYS, LabelledFields
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.labels import learn_label_map
from palm.reader.rows import check_pieces, class_ids, column_texts, parse_text_rows
from palm.spec import Phase, Spec, Specs

TEXTS_PER_ROW = 3
"""The text of a row, one of the same class, and one of another."""


class EmbedReaderConfig(LabelledFields):
    """Keys of the reader `embed`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TEXTS, LABELS)


@READERS.register("embed")
class EmbedReader(Reader):
    """Reads `{"label": str, "text_a": str, "line": int}` from tsv or jsonl.

    To train on, a row becomes three sequences: its text, a text of the same class and one of another. These are sampled
    anew for each step, as SetFit samples its pairs (arXiv:2209.11055, section 3). To predict it is one.
    """

    Config = EmbedReaderConfig
    cache_version = "1"
    gold_keys = LABEL_KEYS
    one_text_per_row = False

    def __init__(self, config: EmbedReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: EmbedReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, and unless predicting the classes, the sequences of each row, and what pairs teach."""
        gold = {
            "label_ids": Spec("batch", "int64"),
            "text_rows": Spec("batch text", "int64"),
            "pair_scores": Spec("batch pair", "float32"),
        }
        return INPUTS if phase == "predict" else {**INPUTS, **gold}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one; texts may be empty when predicting."""
        return self._records(file, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """The labels of a training file."""
        return learn_label_map((str(record["label"]) for record in records), self.config.n_classes)

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP]`, truncated to max_seq_len.

        Raises:
            DataError: Unknown labels, or training texts that are all of one class.
        """
        pieces = self.tokenizer.encode_ids(column_texts(records, "text_a"))
        check_pieces(records, {"text_a": pieces}, source, phase)
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows([single_row(ids, self.tokenizer, self.config.max_seq_len) for ids in pieces]),
            "record": np.arange(len(records)),
        }
        labels, notes = class_ids(records, self.labels, self.config, source, phase)
        if phase == "train":
            _refuse_one_class(records, source)
        return Dataset(columns | labels, records, source, notes)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """The texts of the examples `rows` as one padded batch; with gold, the three of each row side by side."""
        if "label_ids" not in dataset.columns:
            return pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        labels = dataset.array("label_ids")
        partners = sample_partners(labels, rows, generator)  # [batch 2]
        texts = np.concatenate([rows[:, None], np.where(partners < 0, rows[:, None], partners)], axis=1)  # [batch 3]
        batch = pad_inputs(dataset, texts.reshape(-1), pad_id=self.tokenizer.pad_id)
        batch["label_ids"] = labels[rows]
        batch["text_rows"] = np.arange(texts.size, dtype="int64").reshape(texts.shape)
        batch["pair_scores"] = np.where(partners < 0, UNLABELLED, [1.0, 0.0]).astype("float32")
        return batch

    def part(self, batch: Batch, examples: int, start: int, end: int) -> Batch:
        """As the base's, with the sequences counted from 0."""
        found = super().part(batch, examples, start, end)
        found["text_rows"] = found["text_rows"] - self.sequences_of(batch, start, end)[0]
        return found

    def sequences_of(self, batch: Batch, start: int, end: int) -> tuple[int, int]:
        """The three sequences of each example."""
        return TEXTS_PER_ROW * start, TEXTS_PER_ROW * end

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        return parse_text_rows(source, self.config, texts=("text_a",), phase=phase)


def sample_partners(labels: IntArray, rows: IntArray, generator: np.random.Generator) -> IntArray:
    """For each of `rows` another text of its class and a text of another one: int64[batch 2].

    All such texts are equally likely. A text that is alone in its class is its own partner, whose two passes differ by
    dropout. -1 stands for a partner of a text without a label, and for one of another class where there is none.

    Args:
        labels: The class of each text of the data set, -100 for texts without.
        rows: The texts of a batch.
        generator: Samples them.
    """
    order = np.argsort(labels, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    ordered, own = labels[order], labels[rows]
    first, last = (np.searchsorted(ordered, own, side) for side in ("left", "right"))
    unlabelled = int((labels == UNLABELLED).sum())
    chance = generator.random((len(rows), 2))
    size = last - first
    same = first + (chance[:, 0] * (size - 1)).astype("int64")
    same = np.where(size > 1, same + (same >= place[rows]), place[rows])  # any but the text itself
    others = len(labels) - unlabelled - size
    other = unlabelled + (chance[:, 1] * others).astype("int64")
    other = np.where(other >= first, other + size, other)  # any but those of its class
    found = np.stack([order[same], order[np.minimum(other, len(order) - 1)]], axis=1)
    found[own == UNLABELLED] = -1
    found[others < 1, 1] = -1
    return found.astype("int64")


def _refuse_one_class(records: Sequence[Record], source: DataSource) -> None:
    """Refuse training texts of a single class, of which none is to be far from another."""
    found = {str(record["label"]) for record in records}
    if len(found) == 1:
        problems = FileProblems(source)
        rule = "an embedding is trained on texts of two classes or more, of which some are to be far from each other"
        problems.add(f"{rule}, found only {quoted(found.pop())}. Add texts with other labels.")
        problems.raise_all()
