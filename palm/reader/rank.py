"""The reader `rank`: a text with candidates, and how relevant each of them is."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS
from palm.reader.candidates import CandidateReader
from palm.reader.column_names import CHOICES, GROUPS, JUDGED, PAIRS, RELEVANCE, TEXTS, ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.ranked_rows import parse_lists, parse_pairs
from palm.schema.fields import Int
from palm.spec import Phase, Spec

ListForm = Literal["scored", "judged", "pairs"]

_TRAINED = "is_sampled"
"""Column of a data set whose batches may have some of the candidates only."""


class RankReaderConfig(TableFields):
    """Keys of the reader `rank`."""

    known_columns: ClassVar[tuple[str, ...]] = (
        *("text_a", "choices", "relevance", "positives", "negatives", "text_b", "group"),
    )
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (PAIRS, TEXTS, CHOICES, JUDGED, RELEVANCE, GROUPS)

    list_form: ListForm = Field(
        "scored",
        description="What a row is: `scored` (`text_a`, its `choices`, and the `relevance` of each), `judged` "
        "(`text_a`, its `positives` and `negatives`, each a text or a list), or `pairs` (`text_a`, `text_b`, "
        "`relevance`): rows of the same `text_a`, or of the same `group` if there is such a column, are one list.",
    )
    list_size: Int | None = Field(
        None,
        ge=2,
        description="Candidates of a list in a training step: one of the most relevant, and others, sampled anew each "
        "time; by default all. Evaluation and prediction score all.",
    )


@READERS.register("rank")
class RankReader(CandidateReader):
    """Reads `{"text_a": str, "choices": [str], "relevance": [float], "line": int}` from tables.

    To predict, a row of `pairs` is a list of one candidate, so that every row has a score of its own.
    """

    Config = RankReaderConfig
    cache_version = "1"
    gold_specs = {"relevance": Spec("batch choice", "float32")}  # noqa: RUF012 (a constant, as in the base)

    def __init__(self, config: RankReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: RankReaderConfig = config
        self.text_columns = self.columns_of(config.model_dump())

    @classmethod
    def columns_of(cls, config: Mapping[str, object]) -> tuple[str, ...]:
        """The text, and its candidate or candidates."""
        return ("text_a", "text_b" if config.get("list_form") == "pairs" else "choices")

    def row_of_texts(self, texts: Sequence[str]) -> dict[str, object]:
        """A row with one candidate."""
        first, other = texts
        is_list = self.text_columns[1] == "choices"
        return {"text_a": first, self.text_columns[1]: [other] if is_list else other}

    def parse_source(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The lists one by one."""
        if self.config.list_form == "pairs":
            return parse_pairs(source, self.config, phase)
        return parse_lists(source, self.config, phase, is_judged=self.config.list_form == "judged")

    def candidates_of(self, record: Record) -> Sequence[str]:
        """The candidates of a record, which may be a pair."""
        return super().candidates_of(record) if "choices" in record else [str(record["text_b"])]

    def gold_label(self, record: Record) -> object:
        """The relevance of each candidate."""
        return record.get("relevance")

    def labels_of(self, record: Record) -> list[str]:
        """None: relevance is a number."""
        return []

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """As of every reader of candidates; training rows are marked, from whose candidates a batch may sample."""
        found = super().encode(records, source, phase)
        if phase != "train" or self.config.list_size is None:
            return found
        return Dataset({**found.columns, _TRAINED: np.ones(len(records), "bool")}, records, source, found.notes)

    def encode_gold(self, records: Sequence[Record]) -> Mapping[str, Ragged | np.ndarray]:
        """The relevance of each candidate."""
        return {"relevance": Ragged.from_rows([np.asarray(record["relevance"]) for record in records], "float32")}

    def collate_gold(self, dataset: Dataset, rows: IntArray, kept: Sequence[IntArray]) -> Batch:
        """The relevance of each candidate of the batch, 0 where there is none."""
        relevance = dataset.ragged("relevance")
        own = Ragged.from_rows([relevance[row][numbers] for row, numbers in zip(rows, kept, strict=True)], "float32")
        return {"relevance": own.padded(np.arange(len(rows)), fill=0)}

    def kept_candidates(self, dataset: Dataset, row: int, generator: np.random.Generator) -> IntArray:
        """All candidates, or `list_size` of a longer training list: one of the most relevant, and others."""
        every, size = super().kept_candidates(dataset, row, generator), self.config.list_size
        if size is None or _TRAINED not in dataset.columns or len(every) <= size:
            return every
        relevance = dataset.ragged("relevance")[row]
        best = generator.choice(np.flatnonzero(relevance == relevance.max()))
        others = generator.choice(np.delete(every, best), size - 1, replace=False)
        return np.sort(np.append(others, best))

    def notes_on(self, dataset: Dataset) -> Sequence[str]:
        """How many lists have no order that could be learned, and how many have what losses and metrics count as 0."""
        if "relevance" not in dataset.columns:
            return ()
        relevance = dataset.ragged("relevance")
        count = len(relevance)
        alike = sum(len(np.unique(relevance[row])) < 2 for row in range(count))
        negative = sum(bool((relevance[row] < 0).any()) for row in range(count))
        no_order = f"{alike} of {count} lists have candidates of one relevance only, from which no order is learned."
        as_zero = (
            f"{negative} of {count} lists have relevance below 0, which `rank_loss: listwise`, ndcg and mrr count as 0."
            " For the scores of a model use `distill` or `margin_mse`."
        )
        return tuple(rule for rule, found in ((no_order, alike), (as_zero, negative)) if found)
