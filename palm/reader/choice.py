"""The reader `choice`: one text with several candidates per row, one of them correct."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from palm.data.dataset import Batch, Dataset, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS
from palm.reader.candidates import CandidateReader
from palm.reader.column_names import CHOICES, LABELS, TEXTS, ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.formats.cells import Row, kept_cells, label_at, text_at
from palm.reader.formats.columns import columns_of
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.tables import source_of, table_rows
from palm.reader.labels import WHOLE_NUMBER
from palm.reader.row_filter import RowFilter
from palm.spec import Phase, Spec


class ChoiceReaderConfig(TableFields):
    """Keys of the reader `choice`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a", "choices")
    labels_are_places: ClassVar[bool] = True
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TEXTS, CHOICES, LABELS)


@READERS.register("choice")
class ChoiceReader(CandidateReader):
    """Reads `{"label": str, "text_a": str, "choices": [str], "line": int}` from tsv (`a|b`) or jsonl (a list).

    `label` is the index of the correct candidate, from 0.
    """

    Config = ChoiceReaderConfig
    cache_version = "1"
    gold_specs = {"label_ids": Spec("batch", "int64")}  # noqa: RUF012 (a constant, as in the base)

    def __init__(self, config: ChoiceReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: ChoiceReaderConfig = config

    def row_of_texts(self, texts: Sequence[str]) -> dict[str, object]:
        """A row whose candidates are both texts."""
        return {"text_a": texts[0], "choices": [texts[1], texts[0]]}

    def encode_gold(self, records: Sequence[Record]) -> Mapping[str, Ragged | np.ndarray]:
        """The index of each correct candidate."""
        return {"label_ids": np.array([int(str(record["label"])) for record in records], "int64")}

    def collate_gold(self, dataset: Dataset, rows: IntArray, kept: Sequence[IntArray]) -> Batch:
        """The index of each correct candidate; all candidates are there."""
        del kept
        return {"label_ids": dataset.array("label_ids")[rows]}

    def parse_source(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records one by one."""
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
