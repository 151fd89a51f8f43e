"""The reader `seq2seq`: a text and what a model is to write for it, such as its translation or its summary."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from palm.data.dataset import UNLABELLED, Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, single_row
from palm.data.tokenizer import Tokenizer
from palm.errors import counted
from palm.reader.base import READERS, Reader
from palm.reader.column_names import SOURCE, TARGETS, ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.formats.cells import Row, kept_cells, text_at
from palm.reader.formats.columns import columns_of
from palm.reader.formats.files import FileProblems
from palm.reader.formats.parallel import beside, read_parallel
from palm.reader.formats.tables import source_of, table_rows
from palm.reader.row_filter import RowFilter
from palm.reader.rows import check_pieces, column_texts
from palm.schema.fields import TargetTextFields
from palm.spec import Phase, Spec, Specs

TARGET = "target"
_ENDING = re.compile(r"\w[\w-]*")


class Seq2SeqReaderConfig(TableFields, TargetTextFields):
    """Keys of the reader `seq2seq`."""

    known_columns: ClassVar[tuple[str, ...]] = ("text_a", TARGET)
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TARGETS, SOURCE)

    target_ending: str | None = Field(
        None,
        description="For pairs of text files: the ending of the file of targets, which lies beside that of the texts; "
        "line n of one belongs to line n of the other. With `zh`, `train_file: corpus/train.en` goes with "
        "`corpus/train.zh`.",
    )

    @field_validator("target_ending")
    @classmethod
    def _check_ending(cls, ending: str | None) -> str | None:
        """`.zh` → `zh`; what leads to another folder is refused."""
        if ending is None:
            return None
        plain = ending.removeprefix(".")
        if not _ENDING.fullmatch(plain):
            raise ValueError(f"the ending of a file is expected, such as zh, found `{ending}`")
        return plain


@READERS.register("seq2seq")
class Seq2SeqReader(Reader):
    """Reads `{"text_a": str, "target": str, "line": int}` from tables, or from pairs of text files."""

    Config = Seq2SeqReaderConfig
    cache_version = "1"
    by_record = True
    gold_keys = ("max_target_len", "skip_empty_text")

    def __init__(self, config: Seq2SeqReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: Seq2SeqReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, and unless predicting the tokens of the target, -100 for padding."""
        return INPUTS if phase == "predict" else {**INPUTS, "target_ids": Spec("batch target", "int64")}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one; texts may be empty when predicting."""
        if self.config.target_ending is None:
            return self._records(file, phase)
        return self._parallel_records(file, self._targets_of(file, phase), phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def files_beside(self, file: Path) -> tuple[Path, ...]:
        """The file of targets, of a pair of text files."""
        targets = None if self.config.target_ending is None else beside(file, self.config.target_ending)
        return () if targets is None else (targets,)

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None: targets are texts."""
        return None

    def gold_label(self, record: Record) -> object:
        """The target."""
        return record.get(TARGET)

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP]`, truncated to max_seq_len, and `target [SEP]`.

        A target that is longer than max_target_len is cut, and has no [SEP] then: it does not end there.
        """
        pieces = {"text_a": self.tokenizer.encode_ids(column_texts(records, "text_a"))}
        if phase != "predict":
            pieces[TARGET] = self.tokenizer.encode_ids(column_texts(records, TARGET))
        check_pieces(records, pieces, source, phase)
        rows = [single_row(ids, self.tokenizer, self.config.max_seq_len) for ids in pieces["text_a"]]
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows(rows),
            "record": np.arange(len(records)),
        }
        if phase == "predict":
            return Dataset(columns, records, source)
        limit, end = self.config.max_target_len, self.tokenizer.sep_id
        columns["target_ids"] = Ragged.from_rows([[*ids, end][:limit] for ids in pieces[TARGET]])
        return Dataset(columns, records, source, tuple(self._notes(pieces[TARGET])))

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch, without randomness."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        if "target_ids" in dataset.columns:
            batch["target_ids"] = dataset.ragged("target_ids").padded(rows, fill=UNLABELLED).astype("int64")
        return batch

    def _targets_of(self, file: Path, phase: Phase) -> Path | None:
        """The file of the targets; None where there is none, and none is needed."""
        [targets] = self.files_beside(file)
        return None if phase == "predict" and not targets.is_file() else targets

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        problems = FileProblems(source_of(source))
        columns = columns_of(self.config, texts=("text_a",), gold=(TARGET,), phase=phase)
        return self._checked(table_rows(source, self.config, columns, problems), problems, phase)

    def _parallel_records(self, file: Path, targets: Path | None, phase: Phase) -> Iterator[Record]:
        problems = FileProblems(file)
        return self._checked(read_parallel(file, targets, problems, self.config.encoding), problems, phase)

    def _checked(self, rows: Iterator[Row], problems: FileProblems, phase: Phase) -> Iterator[Record]:
        texts = ("text_a",) if phase == "predict" else ("text_a", TARGET)
        row_filter = RowFilter(self.config, texts, phase)
        for row in row_filter.kept(rows, problems):
            record: dict[str, object] = {"line": row.line, **kept_cells(row, ("text_a", TARGET))}
            for name in (name for name in ("text_a", TARGET) if name in row.values):
                record[name] = text_at(row, name, problems, may_be_empty=phase == "predict")
            yield record
        problems.raise_all()
        row_filter.add_notes(problems.source)

    def _notes(self, targets: Sequence[Sequence[int]]) -> Iterator[str]:
        limit, unknown = self.config.max_target_len, self.tokenizer.unk_id
        cut = sum(len(ids) >= limit for ids in targets)
        if cut:
            what = f"{counted(cut, 'target')} of {len(targets)} with more than {limit - 1} tokens, cut there."
            yield f"{what} Raise max_target_len to learn how they go on."
        missing = sum(unknown in ids for ids in targets)
        if missing:
            what = f"{counted(missing, 'target')} of {len(targets)} with words that the vocabulary has no tokens for."
            yield f"{what} The model cannot write these words."
