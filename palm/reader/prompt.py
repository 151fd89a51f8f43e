"""The reader `prompt`: texts in a template with masks, and the words that stand for the labels there."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from palm.data.dataset import Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.prompt_encoding import PromptSequence
from palm.data.prompt_form import PromptForm
from palm.data.prompt_template import DEFAULT_PROMPT, parse_template
from palm.data.sequences import INPUTS, pad_inputs, split_examples
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.formats.files import FileProblems
from palm.reader.gold import GOLD_KEYS, GOLD_ON_REQUEST, count_gold, gold_columns, gold_labels, gold_specs
from palm.reader.label_words import labels_with_words, notes_on_words, tokens_of_words, with_words
from palm.reader.prompt_fields import PromptReaderConfig, encoding_of, listed_labels, with_prompt_file
from palm.reader.prompt_rows import parse_prompt_rows
from palm.reader.rows import check_pieces, column_texts
from palm.spec import Phase, Spec, Specs

_MUST_HOLD_TEXT = ("text_a", "text_b")
_RAGGED = ("token_ids", "soft_ids", "segment_ids", "position_ids")
_MOST_SHOWN = 20


@READERS.register("prompt")
class PromptReader(Reader):
    """Reads `{"label": str, "text_a": str, "line": int}` and further columns that the prompt names, from tables or txt.

    A txt file has lines `text<TAB>label` without a header.
    """

    Config = PromptReaderConfig
    cache_version = "1"
    by_record = True
    one_text_per_row = False
    on_request = GOLD_ON_REQUEST | dict.fromkeys(("choice_rows", "choice_mask"), "prompt: …{'options'}")
    gold_keys = GOLD_KEYS

    def __init__(self, config: PromptReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: PromptReaderConfig = with_prompt_file(config)
        self._encoding = encoding_of(self.config, tokenizer)
        self._template = self._encoding.template
        if labels is None:
            self.labels = listed_labels(self.config, self._template)
        self.config = self.config.model_copy(update={"label_file": None})  # an exported model needs no file
        self.text_columns = self._template.columns
        self.segments = 2 if self._encoding.has_segments else 1
        self.counts_positions = not self._encoding.has_positions

    @property
    def prompt_form(self) -> PromptForm:
        """What a model needs to know of the prompt; with the words of its labels once these are known."""
        return self._encoding.form(() if self.labels is None else self._word_tokens(self.labels))

    @property
    def encoding_rules(self) -> Mapping[str, object]:
        """The parts of the prompt as tokens, and the candidates of one with options."""
        return {"parts": self._encoding.described(), "options": list(self._options) if self._has_options else None}

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, soft vectors, masks (or the candidates of each example), and the gold."""
        places = {"mask_positions": Spec("batch mask", "int64")}
        owners = {"choice_rows": Spec("batch choice", "int64"), "choice_mask": Spec("batch choice", "float32")}
        gold = {} if phase == "predict" else gold_specs(self.config)
        return {**INPUTS, "soft_ids": Spec("batch seq", "int64"), **(owners if self._has_options else places), **gold}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The rows one by one; texts may be empty when predicting."""
        return self._records(file, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase)

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The texts that the prompt names."""
        return tuple(str(record[name]) for name in self._template.columns)

    @classmethod
    def columns_of(cls, config: Mapping[str, object]) -> tuple[str, ...]:
        """The columns that the prompt names."""
        prompt = config.get("prompt")
        return parse_template(prompt if isinstance(prompt, str) else DEFAULT_PROMPT, soft=False).columns

    def tokens_around(self, texts: int) -> int:
        """Special tokens and the prompt, with the longest of its options."""
        del texts
        options = self._option_tokens if self.labels is not None else [()]
        return self.config.max_seq_len - self._encoding.room + max(map(len, options))

    def learn_labels(self, records: Sequence[Record]) -> LabelMap:
        """The labels of a training file and of label_words, with their words."""
        found = (name for record in records for name in self.labels_of(record))
        return labels_with_words(found, self.config.label_words, self.config.n_classes)

    def prepare(self, records: Sequence[Record], phase: Phase) -> None:
        """Collect the labels of a training file unless known, and give them their words.

        Raises:
            ConfigError: A word has no tokens.
        """
        super().prepare(records, phase)
        if self.labels is not None and self.labels.words is None:
            self.labels = with_words(self.labels, self.config.label_words)
        if self.labels is not None and phase == "train":
            self._word_tokens(self.labels)

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """The template with the texts of each record, which are cut to fit max_seq_len."""
        columns = {name: column_texts(records, name) for name in self._template.columns}
        texts = self._encoding.encode_texts(columns)
        self._check_texts(records, texts, source, phase)
        options = self._option_tokens
        rows = [[self._encoding.sequence(own, option) for option in options] for own in texts]
        whole = self._with_room(rows, records, source)
        encoded = self._columns(whole)
        labels, notes = gold_columns(records, self.labels, self.config, source, phase)
        if phase == "train" and self.labels is not None and not self._has_options:
            notes += notes_on_words(self.labels, self._word_tokens(self.labels), self.tokenizer.unk_id)
        if self._has_options:
            records = [{**record, "choices": list(self._options)} for record in records]
        return Dataset(encoded | labels, records, source, notes)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch, without randomness."""
        gold = gold_labels(dataset, rows, self.labels)
        if not self._has_options:
            masks = dataset.ragged("mask_positions").padded(rows, fill=0).astype("int64")
            return {**self._inputs(dataset, rows), "mask_positions": masks, **gold}
        names = [name for name in _RAGGED if name in dataset.columns]
        flat = split_examples(dataset, rows, names, lengths="sequence_lengths")
        numbers = np.arange(flat.num_examples).reshape(len(rows), -1)  # [batch choice]
        owners = {"choice_rows": numbers, "choice_mask": np.ones(numbers.shape, "float32")}
        return {**self._inputs(flat, numbers.flatten()), **owners, **gold}

    def _inputs(self, dataset: Dataset, rows: IntArray) -> Batch:
        """The model's inputs of the sequences `rows`, with soft vectors."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        width = batch["token_ids"].shape[1]
        batch["soft_ids"] = np.zeros_like(batch["token_ids"])
        for name in ("soft_ids", "position_ids"):
            if name in dataset.columns:
                batch[name] = dataset.ragged(name).padded(rows, fill=0, width=width).astype("int64")
        return batch

    def part(self, batch: Batch, examples: int, start: int, end: int) -> Batch:
        """As the base's, with the candidates counted from 0."""
        if not self._has_options:
            return super().part(batch, examples, start, end)
        first, last = self.sequences_of(batch, start, end)
        rest = {name: array for name, array in batch.items() if name != "soft_ids"}
        found = super().part(rest, examples, start, end)
        return {**found, "choice_rows": found["choice_rows"] - first, "soft_ids": batch["soft_ids"][first:last]}

    def sequences_of(self, batch: Batch, start: int, end: int) -> tuple[int, int]:
        """The sequences of the examples: one, or one per candidate."""
        count = len(self._options) if self._has_options else 1
        return start * count, end * count

    def label_counts(self, dataset: Dataset) -> list[int]:
        """How often each class occurs."""
        return count_gold(dataset, self.labels)

    def truncated(self, dataset: Dataset) -> list[int]:
        """The records whose texts were cut."""
        return [int(row) for row in np.flatnonzero(dataset.array("num_cut") > 0)]

    def remarks(self, records: Sequence[Record]) -> dict[str, str]:
        """The tokens that the prompt takes, and the words of the labels."""
        encoding, form = self._encoding, self.prompt_form
        parts = [f"{len(form.soft_starts)} soft vectors"] if form.soft_starts else []
        parts += [f"{form.masks} [MASK]"] if form.masks else []
        found = {"prompt": ", ".join([f"{encoding.num_fixed} tokens, with room for {encoding.room}", *parts])}
        if self.labels is not None and self.labels.words is not None:
            shown = [f"{name} {'/'.join(own)}" for name, own in zip(self.labels.names, self.labels.words, strict=True)]
            more = ", …" if len(shown) > _MOST_SHOWN else ""
            found["label words"] = ", ".join(shown[:_MOST_SHOWN]) + more
        return found

    def reads_alike(self, other: Reader, *, with_gold: bool) -> bool:
        """As the base's; candidates have the same words."""
        same = super().reads_alike(other, with_gold=with_gold)
        if not same or not self._has_options or not isinstance(other, PromptReader):
            return same
        return self._options == other._options

    @property
    def _has_options(self) -> bool:
        return self._template.options is not None

    @property
    def _options(self) -> tuple[str, ...]:
        """The first word of each label, for a prompt with options."""
        if self.labels is None:
            raise ValueError("The labels of the training file must be known. Found `labels = None`.")
        words = self.labels.words or tuple((name,) for name in self.labels.names)
        return tuple(own[0] for own in words)

    @property
    def _option_tokens(self) -> Sequence[Sequence[int]]:
        """Tokens of each candidate; one without tokens for a prompt without candidates."""
        return self._encoding.encode_options(self._options) if self._has_options else [()]

    def _word_tokens(self, labels: LabelMap) -> tuple[tuple[tuple[int, ...], ...], ...]:
        return () if self._has_options else tokens_of_words(labels, self._encoding)

    def _check_texts(
        self, records: Sequence[Record], texts: Sequence[Mapping[int, list[int]]], source: DataSource, phase: Phase
    ) -> None:
        """Refuse records whose texts have no tokens, unless predicting.

        Raises:
            DataError: All of them, with their lines.
        """
        places = {part.text: place for place, part in enumerate(self._template.parts) if part.kind == "text"}
        pieces = {name: [own[place] for own in texts] for name, place in places.items() if name in _MUST_HOLD_TEXT}
        check_pieces(records, pieces, source, phase)

    def _with_room(
        self, rows: Sequence[Sequence[PromptSequence | None]], records: Sequence[Record], source: DataSource
    ) -> list[list[PromptSequence]]:
        """The sequences of each record.

        Raises:
            DataError: A record has no room for its texts, or a position beyond max_seq_len.
        """
        problems, whole = FileProblems(source), []
        limit = self.config.max_seq_len
        for record, own in zip(records, rows, strict=True):
            found = [sequence for sequence in own if sequence is not None]
            line = int(str(record["line"]))
            if len(found) < len(own):
                rule = f"max_seq_len is {limit}, and the prompt with what is not cut leaves no room for text"
                problems.add(f"{rule}. Raise max_seq_len, or shorten the prompt.", line=line)
            elif any(max(sequence.position_ids) >= limit for sequence in found):
                rule = f"positions are below max_seq_len, {limit}, found a larger one behind a `position` of the prompt"
                problems.add(f"{rule}. Lower it, or raise max_seq_len.", line=line)
            whole.append(found)
        problems.raise_all()
        return whole

    def _columns(self, rows: Sequence[Sequence[PromptSequence]]) -> dict[str, Ragged | np.ndarray]:
        """The columns of a data set of the sequences of each record."""
        encoding = self._encoding
        names = ["token_ids"]
        names += ["soft_ids"] if encoding.has_soft else []
        names += ["segment_ids"] if encoding.has_segments else []
        names += ["position_ids"] if encoding.has_positions else []
        found: dict[str, Ragged | np.ndarray] = {
            name: Ragged.from_rows([list(chain.from_iterable(getattr(each, name) for each in own)) for own in rows])
            for name in names
        }
        if self._has_options:
            found["sequence_lengths"] = Ragged.from_rows([[len(each.token_ids) for each in own] for own in rows])
        else:
            found["mask_positions"] = Ragged.from_rows([own[0].mask_positions for own in rows])
        found["num_cut"] = np.array([max(each.num_cut for each in own) for own in rows], "int64")
        found["record"] = np.arange(len(rows))
        return found

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        known = () if self.labels is None else self.labels.names
        return parse_prompt_rows(source, self.config, texts=self._template.columns, phase=phase, known=known)
