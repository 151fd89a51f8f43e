"""The reader `mrc`: questions about paragraphs, answered by a span of the paragraph."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Record
from palm.data.sequences import INPUTS, pad_inputs
from palm.data.tokenizer import Tokenizer
from palm.errors import counted
from palm.reader.base import READERS, Reader
from palm.reader.fields import KeptFields, known_format
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.squad import parse_questions, read_squad
from palm.reader.mrc_windows import WindowBuilder, gold_answers, misplaced, usable
from palm.schema.fields import Int
from palm.spec import Phase, Spec, Specs


class SquadReaderConfig(KeptFields):
    """Keys of the reader `mrc`."""

    known_formats: ClassVar[tuple[str, ...]] = ("auto", "json", "jsonl")

    doc_stride: Int = Field(128, ge=1, description="Tokens from one window of a long context to the next.")
    max_query_len: Int = Field(64, ge=1, description="Longest question in tokens; longer ones are truncated.")
    with_negative: bool = Field(False, description="Whether questions may have no answer (SQuAD 2.0).")
    on_bad_answer: Literal["error", "drop"] = Field(
        "error",
        description="An answer of train_file that is not at its answer_start: refuse the file, or drop the answer.",
    )

    @field_validator("file_format")
    @classmethod
    def _check_format(cls, file_format: str) -> str:
        return known_format(file_format, cls.known_formats)

    @model_validator(mode="after")
    def _check_room(self) -> "SquadReaderConfig":
        if self.max_query_len + 3 >= self.max_seq_len:
            rule = "max_seq_len must have room for the question, [CLS], two [SEP] and some context"
            raise ValueError(f"{rule}, found max_seq_len = {self.max_seq_len} and max_query_len = {self.max_query_len}")
        return self


@READERS.register("mrc")
class SquadReader(Reader):
    """Reads `{"id", "question", "context", "answers", "is_impossible", "line"}` from json in SQuAD's format.

    A context that does not fit is split into overlapping windows, each an example: `[CLS] question [SEP] window [SEP]`.
    """

    Config = SquadReaderConfig
    segments = 2
    text_columns = ("question", "context")
    cache_version = "1"
    gold_keys = ()
    splits_long_texts = True
    record_unit = "questions"

    def __init__(self, config: SquadReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: SquadReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, `unique_ids`, and in training the answer's first and last token."""
        outputs = {**INPUTS, "unique_ids": Spec("batch", "int64")}
        if phase != "train":
            return outputs
        return {**outputs, "start_positions": Spec("batch", "int64"), "end_positions": Spec("batch", "int64")}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The questions; answers may be absent when predicting."""
        keys = self.config
        yield from read_squad(
            file, phase, with_negative=keys.with_negative, encoding=keys.encoding, keep=keys.keep_columns
        )

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The questions of rows from a program."""
        keys = self.config
        yield from parse_questions(rows, phase, with_negative=keys.with_negative, keep=keys.keep_columns)

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The question and its paragraph."""
        return str(record["question"]), str(record["context"])

    def group_of(self, record: Record) -> str:
        """The paragraph: its questions are not separated."""
        return str(record["context"])

    def gold_label(self, record: Record) -> object:
        """The texts of its answers; none for a question without an answer."""
        return [answer.text for answer in gold_answers(record)] if "answers" in record else None

    def truncated(self, dataset: Dataset) -> list[int]:
        """The records whose question was cut to max_query_len: contexts are split instead."""
        questions = self.tokenizer.encode_ids([str(record["question"]) for record in dataset.records])
        return [number for number, ids in enumerate(questions) if len(ids) > self.config.max_query_len]

    @property
    def longest_text(self) -> str:
        return f"max_query_len ({counted(self.config.max_query_len, 'token')})"

    def remarks(self, records: Sequence[Record]) -> dict[str, str]:
        """The number of answers at wrong offsets, with an example."""
        answers = [(record, answer) for record in records for answer in gold_answers(record)]
        reasons = [(record, misplaced(answer, str(record["context"]))) for record, answer in answers]
        faults = [(record, reason) for record, reason in reasons if reason]
        example = f", such as question {faults[0][0]['id']}: {faults[0][1]}" if faults else ""
        return {"bad answers": f"{len(faults)} of {len(answers)}{example}"}

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None: answers are positions in the text."""
        return None

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """Split into windows; in training every answer must be at its offset, or is handled by on_bad_answer."""
        builder = WindowBuilder(self.tokenizer, self.config, records)
        notes: tuple[str, ...] = ()
        if phase == "train":
            records, notes = self._with_good_answers(records, builder, source)
        return Dataset(builder.columns(records, with_gold=phase == "train"), records, source, notes)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch, without randomness."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        for name in ("unique_ids", "start_positions", "end_positions"):
            if name in dataset.columns:
                batch[name] = dataset.array(name)[rows]
        return batch

    def _with_good_answers(
        self, records: Sequence[Record], builder: WindowBuilder, source: DataSource
    ) -> tuple[list[Record], tuple[str, ...]]:
        """The trainable records, without invalid answers, and a remark about these.

        Raises:
            DataError: Answers at wrong offsets, unless on_bad_answer is `drop`; no question left.
        """
        problems, kept = FileProblems(source), []
        for record in records:
            left, faults = usable(record, builder.context_offsets(record))
            for fault in faults:
                hint = "Correct it, or set on_bad_answer: drop."
                problems.add(f"question {quoted(str(record['id']))}: {fault} {hint}")
            if left is not None:
                kept.append(left)
        if self.config.on_bad_answer == "error" or not kept:
            problems.raise_all()
        if not problems.count:
            return kept, ()
        gone = len(records) - len(kept)
        return kept, (
            f"on_bad_answer dropped {counted(problems.count, 'fault')}, and with them {counted(gone, 'question')}.",
        )
