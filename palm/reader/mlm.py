"""The reader `mlm`: plain text, of which some word-pieces are masked anew in every batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, single_row
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.fields import TableFields
from palm.reader.formats.files import FileProblems
from palm.reader.rows import check_pieces, column_texts, parse_text_rows
from palm.schema.fields import Float
from palm.spec import Phase, Spec, Specs

# Of the chosen pieces 80 % become [MASK], 10 % another piece, 10 % stay: https://arxiv.org/abs/1810.04805, section 3.1.
SHARE_MASKED, SHARE_REPLACED = 0.8, 0.1


class MaskedLMReaderConfig(TableFields):
    """Keys of the reader `mlm`."""

    known_columns: ClassVar[tuple[str, ...]] = ("text_a",)

    mask_probability: Float = Field(0.15, gt=0, lt=1, description="Share of the word-pieces that is to be guessed.")


@READERS.register("mlm")
class MaskedLMReader(Reader):
    """Reads `{"text_a": str, "line": int}` from tsv or jsonl. When predicting, `[MASK]` in a text is to be guessed."""

    Config = MaskedLMReaderConfig
    cache_version = "1"
    by_record = True
    one_text_per_row = False

    def __init__(self, config: MaskedLMReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: MaskedLMReaderConfig = config
        special = np.array(sorted(tokenizer.special_ids))
        self._words = np.setdiff1d(np.arange(tokenizer.vocab_size), special)
        self._is_special = np.isin(np.arange(tokenizer.vocab_size), special)

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, the masks' flat places `row * seq + position`, and unless predicting what stood there."""
        masks = {"mask_pos": Spec("mask", "int64"), "mask_label": Spec("mask", "int64")}
        return {**INPUTS, "mask_pos": masks["mask_pos"]} if phase == "predict" else {**INPUTS, **masks}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one."""
        return parse_text_rows(file, self.config, texts=("text_a",), gold=(), phase=phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return parse_text_rows(rows, self.config, texts=("text_a",), gold=(), phase=phase)

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None: the labels are the vocabulary."""
        return None

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP]`, cut to max_seq_len; the masks come in `collate`."""
        predicting = phase == "predict"
        pieces = self.tokenizer.encode_ids(column_texts(records, "text_a"), keep_mask=predicting)
        check_pieces(records, {"text_a": pieces}, source, phase)
        tokens = [single_row(ids, self.tokenizer, self.config.max_seq_len) for ids in pieces]
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows(tokens),
            "record": np.arange(len(records)),
        }
        if predicting:
            columns["mask_positions"] = Ragged.from_rows(self._mask_positions(records, pieces, source))
        return Dataset(columns, records, source)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch with masks drawn from `generator`; when predicting, the masks written in the text."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        width = batch["token_ids"].shape[1]
        if "mask_positions" in dataset.columns:
            positions = dataset.ragged("mask_positions")
            batch["mask_pos"] = np.concatenate(
                [row * width + positions[example] for row, example in enumerate(rows)]
            ).astype("int64")
            return batch
        chosen = self._choose(batch["token_ids"], batch["input_mask"] > 0, generator)
        batch["mask_pos"] = np.flatnonzero(chosen)
        batch["mask_label"] = batch["token_ids"][chosen]
        batch["token_ids"][chosen] = self._apply_masks(batch["mask_label"], generator)
        return batch

    def _choose(
        self, tokens: IntArray, is_real: NDArray[np.bool_], generator: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Which pieces are to be guessed, `[batch seq]`: each with mask_probability, one an example at least.

        Special pieces never are; only where an example has nothing but [UNK], one of these is.
        """
        may = ~self._is_special[tokens]
        nothing = ~may.any(axis=1)
        may[nothing] = (tokens[nothing] == self.tokenizer.unk_id) & is_real[nothing]
        draws = np.where(may, generator.random(tokens.shape), np.inf)
        lowest = draws.min(axis=1, keepdims=True)
        chosen: NDArray[np.bool_] = may & ((draws < self.config.mask_probability) | (draws == lowest))
        return chosen

    def _apply_masks(self, pieces: IntArray, generator: np.random.Generator) -> IntArray:
        """What the model sees in place of the chosen `pieces`."""
        kind = generator.random(len(pieces))
        others = generator.choice(self._words, size=len(pieces))
        replaced = np.where(kind < SHARE_MASKED + SHARE_REPLACED, others, pieces)
        return np.where(kind < SHARE_MASKED, self.tokenizer.mask_id, replaced)

    def _mask_positions(
        self, records: Sequence[Record], pieces: Sequence[Sequence[int]], source: DataSource
    ) -> list[list[int]]:
        """Where the [MASK] tokens stand in each row (after [CLS]).

        Raises:
            DataError: A text without one, or with one beyond max_seq_len.
        """
        problems = FileProblems(source)
        found = []
        for record, ids in zip(records, pieces, strict=True):
            places = [place for place, number in enumerate(ids, 1) if number == self.tokenizer.mask_id]
            line = int(str(record["line"]))
            if not places:
                problems.add(
                    "a text to predict holds [MASK] where a word is to be guessed, found none. Write [MASK].", line=line
                )
            elif places[-1] > self.config.max_seq_len - 2:
                limit = f"max_seq_len is {self.config.max_seq_len}"
                problems.add(
                    f"{limit}, found a [MASK] at word-piece {places[-1]} of {len(ids)}. Shorten the text.", line=line
                )
            found.append(places)
        problems.raise_all()
        return found
