"""The reader `seq_label`: a sentence in words, and a tag (BIO or any other) for each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from palm.data.dataset import UNLABELLED, Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.sequences import INPUTS, pad_inputs
from palm.data.tag_schemes import TagScheme
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.column_names import TAGS, WORDS, ColumnGuess
from palm.reader.fields import LABEL_KEYS, SpanFileFields
from palm.reader.formats.span_files import is_span_file
from palm.reader.formats.text_words import split_text
from palm.reader.labels import learn_label_map
from palm.reader.rows import parse_tagged
from palm.reader.span_records import record_of, span_records
from palm.reader.tag_checks import broken_records, describe_breaks, with_tag_scheme
from palm.reader.word_windows import strings_of, windows_with_records, word_columns, word_label_ids
from palm.schema.fields import TagSchemeFields
from palm.spec import Phase, Spec, Specs


class TaggingReaderConfig(SpanFileFields, TagSchemeFields):
    """Keys of the reader `seq_label`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a")
    known_formats: ClassVar[tuple[str, ...]] = ("auto", "tsv", "csv", "jsonl", "json", "conll", "lines", "spans")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (WORDS, TAGS)


@READERS.register("seq_label")
class TaggingReader(Reader):
    """Reads `{"words": [str], "labels": [str], "line": int}` from tsv, jsonl, CoNLL or texts with spans.

    Records of texts with spans of characters also hold `text` and the `offsets` of its words.

    The first token of a word carries its tag. A sentence longer than max_seq_len becomes several examples, so that
    every word gets a tag.
    """

    Config = TaggingReaderConfig
    cache_version = "1"
    by_record = True
    splits_long_texts = True
    gold_keys = (*LABEL_KEYS, "tag_scheme", "on_bad_span")

    def __init__(self, config: TaggingReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: TaggingReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, and `label_ids` (-100 without a tag) unless predicting."""
        return INPUTS if phase == "predict" else {**INPUTS, "label_ids": Spec("batch seq", "int64")}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The sentences one by one; they may be empty when predicting."""
        if self._has_spans(file):
            scheme, drops_bad = self.config.tag_scheme, self.config.on_bad_span == "drop"
            return span_records(file, self.config, phase, scheme=scheme, drops_bad=drops_bad)
        return self._split(parse_tagged(file, self.config, phase, whole_texts=self._splits_text))

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._split(parse_tagged(rows, self.config, phase, whole_texts=self._splits_text))

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The sentence."""
        return (" ".join(strings_of(record, "words")),)

    def learn_labels(self, records: Sequence[Record]) -> LabelMap:
        """The tags of a training file."""
        return learn_label_map(
            (label for record in records for label in strings_of(record, "labels")), self.config.n_classes
        )

    def prepare(self, records: Sequence[Record], phase: Phase) -> None:
        """Learn the tags and their scheme from a training file, unless they are known.

        Raises:
            ConfigError: The key `tag_scheme` does not fit the tags.
        """
        super().prepare(records, phase)
        if phase == "train" and self.labels is not None and self.labels.tag_scheme is None:
            self.labels = with_tag_scheme(
                self.labels, self.config.tag_scheme, (strings_of(record, "labels") for record in records)
            )
            self.labels = replace(self.labels, splits_text=bool(records) and "offsets" in records[0])

    def blank_words(self, record: Record) -> int:
        return sum(not str(word).strip() for word in cast("list[str]", record["words"]))

    def notes_on(self, dataset: Dataset) -> Sequence[str]:
        """The number of sentences that break the scheme of the tags."""
        if self.labels is None or self.labels.tag_scheme in (None, "none") or "label_ids" not in dataset.columns:
            return ()
        scheme = TagScheme.of(self.labels.tag_scheme, self.labels.names)
        broken = broken_records(dataset, scheme, self.labels.names)
        if not len(broken):
            return ()
        record = dataset.records[int(broken[0])]
        pair = scheme.first_break(strings_of(record, "labels")) or ("", "")
        return (f"{describe_breaks(len(broken), len(dataset.records), scheme, record['line'], pair)}.",)

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] words [SEP]`, in as many windows as needed."""
        columns = word_columns(records, self.tokenizer, self.config.max_seq_len)
        if phase == "predict":
            return Dataset(columns, records, source)
        tags, notes = word_label_ids(records, self.labels, self.config, source, phase)
        spread = [_spread(tags[number], words) for words, number in windows_with_records(columns)]
        columns["label_ids"] = Ragged.from_rows(spread)
        return Dataset(columns, records, source, notes)

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch, without randomness."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        if "label_ids" in dataset.columns:
            batch["label_ids"] = dataset.ragged("label_ids").padded(rows, fill=UNLABELLED).astype("int64")
        return batch

    @property
    def _splits_text(self) -> bool:
        """Whether texts are split into words as those of the training file with its spans of characters."""
        return self.labels is not None and self.labels.splits_text

    def _has_spans(self, file: Path) -> bool:
        config = self.config
        if config.file_format != "auto":
            return config.file_format == "spans"
        names = config.column("text_a"), config.column("label")
        return is_span_file(file, *names, may_be_text=self._splits_text, encoding=config.encoding)

    def _split(self, records: Iterator[Record]) -> Iterator[Record]:
        """The records, with texts that are whole split into words."""
        for record in records:
            if "text" in record:
                text = split_text(str(record["text"]), by_character=self.config.for_cn)
                yield record_of(text, int(str(record["line"])))
            else:
                yield record


def _spread(tags: IntArray, word_index: IntArray) -> IntArray:
    """The tag of each token: that of its word for first tokens, else -100."""
    spread = np.full(len(word_index), UNLABELLED)
    is_first = word_index >= 0
    spread[is_first] = tags[word_index[is_first]]
    return spread
