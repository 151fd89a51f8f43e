"""The reader `choice`: one text with several candidates per row, one of them correct."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, pair_row, split_examples
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.column_names import CHOICES, LABELS, TEXTS, ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.formats.cells import Row, kept_cells, label_at, text_at
from palm.reader.formats.columns import columns_of
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.tables import source_of, table_rows
from palm.reader.labels import WHOLE_NUMBER
from palm.reader.row_filter import RowFilter
from palm.reader.rows import column_texts
from palm.spec import Phase, Spec, Specs


class ChoiceReaderConfig(TableFields):
    """Keys of the reader `choice`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a", "choices")
    labels_are_places: ClassVar[bool] = True
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TEXTS, CHOICES, LABELS)


@READERS.register("choice")
class ChoiceReader(Reader):
    """Reads `{"label": str, "text_a": str, "choices": [str], "line": int}` from tsv (`a|b`) or jsonl (a list).

    `label` is the index of the correct candidate, from 0. Every candidate becomes a separate sequence: a batch of
    examples consists of all their candidates.
    """

    Config = ChoiceReaderConfig
    segments = 2
    cache_version = "1"
    gold_keys = ()
    by_record = True
    one_text_per_row = False
    text_columns = ("text_a", "choices")

    def __init__(self, config: ChoiceReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: ChoiceReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs of all candidates, their assignment to examples, and `label_ids` unless predicting."""
        owners = {"choice_rows": Spec("batch choice", "int64"), "choice_mask": Spec("batch choice", "float32")}
        gold = {} if phase == "predict" else {"label_ids": Spec("batch", "int64")}
        return {**INPUTS, **owners, **gold}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one."""
        return self._records(file, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def row_of_texts(self, texts: Sequence[str]) -> dict[str, object]:
        """A row whose candidates are both texts."""
        return {"text_a": texts[0], "choices": [texts[1], texts[0]]}

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The text and its candidates."""
        return str(record["text_a"]), *cast("list[str]", record["choices"])

    def longest_sequence_of(self, record: Record) -> tuple[str, ...]:
        """The text and its longest candidate: every candidate is a separate sequence."""
        return str(record["text_a"]), max(cast("list[str]", record["choices"]), key=len)

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None: the correct candidate has an index, not a name."""
        return None

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP] candidate [SEP]` of each candidate, in order."""
        candidates = [cast("Sequence[str]", record["choices"]) for record in records]
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
            columns["label_ids"] = np.array([int(str(record["label"])) for record in records], "int64")
        return Dataset(columns, records, source)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """The candidates of the examples `rows` as one padded batch, without randomness."""
        flat = split_examples(dataset, rows, ("token_ids", "segment_ids"), lengths="choice_lengths")
        total = flat.num_examples
        counts = dataset.ragged("choice_lengths").lengths[rows]
        mask = np.arange(counts.max()) < counts[:, None]  # [batch choice]
        numbers = np.zeros(mask.shape, "int64")
        numbers[mask] = np.arange(total)
        batch = pad_inputs(flat, np.arange(total), pad_id=self.tokenizer.pad_id)
        batch |= {"choice_rows": numbers, "choice_mask": mask.astype("float32")}
        if "label_ids" in dataset.columns:
            batch["label_ids"] = dataset.array("label_ids")[rows]
        return batch

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

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        problems = FileProblems(source_of(source))
        columns = columns_of(self.config, texts=("text_a", "choices"), gold=("label",), phase=phase)
        row_filter = RowFilter(self.config, ("text_a", "choices"), phase)
        for row in row_filter.kept(table_rows(source, self.config, columns, problems), problems):
            yield _record(row, problems, phase)
        problems.raise_all()
        row_filter.add_notes(source_of(source))


def _record(row: Row, problems: FileProblems, phase: Phase) -> Record:
    predicting = phase == "predict"
    choices = _choices(row, problems)
    record: dict[str, object] = {
        "line": row.line,
        "text_a": text_at(row, "text_a", problems, may_be_empty=predicting),
        "choices": choices,
        **kept_cells(row, ("text_a", "choices", "label")),
    }
    if "label" in row.values:
        label = label_at(row, "label", problems, may_be_empty=predicting)
        record["label"] = label
        in_range = WHOLE_NUMBER.fullmatch(label) and int(label) < len(choices)
        if not in_range and not (predicting and not label):
            rule = f"`label` must be the index of one of {len(choices)} choices, from 0, found {quoted(label)}."
            problems.add(f"{rule} Correct it.", line=row.line)
    return record


def _choices(row: Row, problems: FileProblems) -> list[str]:
    value = row.values["choices"]
    parts = value if isinstance(value, list) else str(value).split("|")
    texts = [text_at(Row(row.line, {"choices": part}), "choices", problems, may_be_empty=False) for part in parts]
    if len(texts) < 2:
        rule = f"`choices` needs two or more candidates, `a|b` or a list, found {quoted(str(value))}."
        problems.add(f"{rule} Add some.", line=row.line)
    return texts
