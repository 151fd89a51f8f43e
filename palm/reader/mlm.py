"""The reader `mlm`: plain text with masks that are sampled in every batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs, single_row
from palm.data.tokenizer import Tokenizer
from palm.data.vocab import MASK
from palm.reader.base import READERS, Reader
from palm.reader.column_names import TEXTS, ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.formats.cells import text_at
from palm.reader.formats.files import FileProblems
from palm.reader.formats.plain_text import read_plain_text, text_format
from palm.reader.rows import check_pieces, column_texts, parse_text_rows
from palm.schema.fields import Float
from palm.spec import Phase, Spec, Specs

# Of the chosen tokens 80 % become [MASK], 10 % another token, 10 % stay: https://arxiv.org/abs/1810.04805, section 3.1.
SHARE_MASKED, SHARE_REPLACED = 0.8, 0.1


class MaskedLMReaderConfig(TableFields):
    """Keys of the reader `mlm`."""

    known_columns: ClassVar[tuple[str, ...]] = ("text_a",)
    known_formats: ClassVar[tuple[str, ...]] = (*TableFields.known_formats, "text")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TEXTS,)

    mask_probability: Float = Field(0.15, gt=0, lt=1, description="Fraction of the tokens to mask.")
    whole_word_masking: bool = Field(
        False,
        description="Mask all tokens of a word together. A Chinese word is what the tokenizer has a token for: a "
        "character in BERT's vocabularies.",
    )


@READERS.register("mlm")
class MaskedLMReader(Reader):
    """Reads `{"text_a": str, "line": int}` from tsv, jsonl or plain text.

    When predicting, `[MASK]` in a text is predicted.
    """

    Config = MaskedLMReaderConfig
    cache_version = "1"
    gold_keys = ()
    by_record = True
    one_text_per_row = False

    def __init__(self, config: MaskedLMReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: MaskedLMReaderConfig = config
        special = np.array(sorted(tokenizer.special_ids))
        self._words = np.setdiff1d(np.arange(tokenizer.vocab_size), special)
        self._is_special = np.isin(np.arange(tokenizer.vocab_size), special)

    def outputs_attr(self, phase: Phase) -> Specs:
        """The inputs, the masks' flat positions `row * seq + position`, and the original tokens unless predicting."""
        masks = {"mask_pos": Spec("mask", "int64"), "mask_label": Spec("mask", "int64")}
        return {**INPUTS, "mask_pos": masks["mask_pos"]} if phase == "predict" else {**INPUTS, **masks}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one."""
        if text_format(self.config, file) == "text":
            return _plain_texts(file, phase, self.config.encoding)
        return parse_text_rows(file, self.config, texts=("text_a",), gold=(), phase=phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def row_of_texts(self, texts: Sequence[str]) -> dict[str, object]:
        """A row with a token to predict before its text."""
        return {"text_a": f"{MASK} {texts[0]}"}

    def learn_labels(self, records: Sequence[Record]) -> LabelMap | None:
        """None: the labels are the vocabulary."""
        return None

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text_a [SEP]`, truncated to max_seq_len; `collate` adds the masks."""
        predicting = phase == "predict"
        tokens = self.tokenizer.encode_ids(column_texts(records, "text_a"), keep_mask=predicting)
        check_pieces(records, {"text_a": tokens}, source, phase)
        inputs = [single_row(ids, self.tokenizer, self.config.max_seq_len) for ids in tokens]
        columns: dict[str, Ragged | np.ndarray] = {
            "token_ids": Ragged.from_rows(inputs),
            "record": np.arange(len(records)),
        }
        if predicting:
            columns["mask_positions"] = Ragged.from_rows(self._mask_positions(records, tokens, source))
        return Dataset(columns, records, source)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch with masks sampled from `generator`; when predicting, the masks in the text."""
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

    def part(self, batch: Batch, examples: int, start: int, end: int) -> Batch:
        """The examples, and the masks in them."""
        width = batch["token_ids"].shape[1]
        inputs = {name: array for name, array in batch.items() if name not in ("mask_pos", "mask_label")}
        own = (batch["mask_pos"] >= start * width) & (batch["mask_pos"] < end * width)
        masks = {"mask_pos": batch["mask_pos"][own] - start * width, "mask_label": batch["mask_label"][own]}
        return super().part(inputs, examples, start, end) | masks

    def masks_before(self, batch: Batch, example: int) -> int:
        return int((batch["mask_pos"] < example * batch["token_ids"].shape[1]).sum())

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        return parse_text_rows(source, self.config, texts=("text_a",), gold=(), phase=phase)

    def _choose(
        self, tokens: IntArray, is_real: NDArray[np.bool_], generator: np.random.Generator
    ) -> NDArray[np.bool_]:
        """The tokens to mask, `[batch seq]`: each with mask_probability, at least one per example.

        Special tokens are never masked; only if an example consists of [UNK], one of these is.
        """
        may = ~self._is_special[tokens]
        nothing = ~may.any(axis=1)
        may[nothing] = (tokens[nothing] == self.tokenizer.unk_id) & is_real[nothing]
        uniform = np.where(may, generator.random(tokens.shape), np.inf)
        if self.config.whole_word_masking:
            uniform = np.where(may, np.take_along_axis(uniform, self._word_starts(tokens), axis=1), np.inf)
        lowest = uniform.min(axis=1, keepdims=True)
        chosen: NDArray[np.bool_] = may & ((uniform < self.config.mask_probability) | (uniform == lowest))
        return chosen

    def _word_starts(self, tokens: IntArray) -> IntArray:
        """The position at which the word of each token begins, `[batch seq]`."""
        begins = ~self.tokenizer.continues_word[tokens]
        starts: IntArray = np.maximum.accumulate(np.where(begins, np.arange(tokens.shape[1]), 0), axis=1)
        return starts

    def _apply_masks(self, tokens: IntArray, generator: np.random.Generator) -> IntArray:
        """The inputs that replace the chosen `tokens`."""
        kind = generator.random(len(tokens))
        others = generator.choice(self._words, size=len(tokens))
        replaced = np.where(kind < SHARE_MASKED + SHARE_REPLACED, others, tokens)
        return np.where(kind < SHARE_MASKED, self.tokenizer.mask_id, replaced)

    def _mask_positions(
        self, records: Sequence[Record], tokens: Sequence[Sequence[int]], source: DataSource
    ) -> list[list[int]]:
        """Positions of the [MASK] tokens in each row, special tokens included.

        Raises:
            DataError: A text without one, or with one beyond max_seq_len.
        """
        problems = FileProblems(source)
        front = len(self.tokenizer.single.front)
        room = self.config.max_seq_len - self.tokenizer.single.num_special
        found = []
        for record, ids in zip(records, tokens, strict=True):
            places = [front + place for place, number in enumerate(ids) if number == self.tokenizer.mask_id]
            line = int(str(record["line"]))
            if not places:
                problems.add("a text to predict needs [MASK] in place of a word, found none. Write [MASK].", line=line)
            elif places[-1] >= front + room:
                limit = f"max_seq_len is {self.config.max_seq_len}"
                problems.add(
                    f"{limit}, found a [MASK] at token {places[-1] - front + 1} of {len(ids)}. Shorten the text.",
                    line=line,
                )
            found.append(places)
        problems.raise_all()
        return found


def _plain_texts(file: Path, phase: Phase, encoding: str) -> Iterator[Record]:
    problems = FileProblems(file)
    for row in read_plain_text(file, problems, encoding):
        yield {"line": row.line, "text_a": text_at(row, "text_a", problems, may_be_empty=phase == "predict")}
    problems.raise_all()
