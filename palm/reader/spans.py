"""The reader `spans`: texts with labelled spans of characters, which may lie within each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from palm.data.dataset import UNLABELLED, Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Record
from palm.data.sequences import INPUTS, pad_inputs
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS, Reader
from palm.reader.column_names import TEXTS, ColumnGuess
from palm.reader.fields import LABEL_KEYS, SpanFileFields
from palm.reader.formats.files import FileProblems
from palm.reader.formats.span_files import is_span_file
from palm.reader.formats.tables import table_format
from palm.reader.labels import LabelEncoder, learn_label_map
from palm.reader.nested_records import nested_records
from palm.reader.rows import column_texts
from palm.reader.span_windows import SPAN_PARTS, LabelledText, SpanWindows, padded_spans
from palm.spec import Phase, Spec, Specs

_GOLD = ("span_labels", "relation_labels")
_Triples = list[tuple[int, int, int]]
_SPANS = ColumnGuess.of("label", "labels", "entities", "spans", "标签")


class SpanReaderConfig(SpanFileFields):
    """Keys of the reader `spans`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a")
    known_formats: ClassVar[tuple[str, ...]] = ("auto", "tsv", "csv", "jsonl", "json", "spans")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TEXTS, _SPANS)


@READERS.register("spans")
class SpanReader(Reader):
    """Reads `{"text_a": str, "label": [{"start", "end", "type"}], "line": int}` from JSON with spans of characters.

    A text that does not fit is split into overlapping windows, each an example.
    """

    Config = SpanReaderConfig
    cache_version = "2"
    by_record = True
    splits_long_texts = True
    gold_keys = (*LABEL_KEYS, "on_bad_span")

    def __init__(self, config: SpanReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: SpanReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs and, unless predicting, `span_labels` and `relation_labels` (-100 where there is none)."""
        gold = {name: Spec("batch span part", "int64") for name in _GOLD}
        return INPUTS if phase == "predict" else {**INPUTS, **gold}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The texts one by one; they may be empty when predicting."""
        return self._records(file, phase, is_span_file=self._has_spans(file, phase))

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program."""
        return self._records(rows, phase, is_span_file=False)

    def labels_of(self, record: Record) -> list[str]:
        """The types of its spans."""
        return [str(span["type"]) for span in _spans_of(record)]

    def learn_labels(self, records: Sequence[Record]) -> LabelMap:
        """The types of a training file."""
        names = (name for record in records for name in self.labels_of(record))
        relations = {str(relation["type"]) for record in records for relation in _relations_of(record)}
        return replace(learn_label_map(names, self.config.n_classes), relations=tuple(sorted(relations)))

    def label_counts(self, dataset: Dataset) -> list[int]:
        """How many spans each type has; those that lie in several windows count in each."""
        labels = dataset.ragged("span_labels").values.reshape(-1, SPAN_PARTS)
        counts: list[int] = np.bincount(labels[:, -1], minlength=len(self.labels or ())).tolist()
        return counts

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] text [SEP]`, in as many windows as needed."""
        layout = self.tokenizer.single
        windows = SpanWindows(layout, max(self.config.max_seq_len - layout.num_special, 1))
        tokens = self.tokenizer.encode(column_texts(records, "text_a"))
        gold, notes = self._numbered(records, source, phase)
        for number, (record, found, own) in enumerate(zip(records, tokens, gold, strict=True)):
            windows.add(number, LabelledText(int(str(record["line"])), str(record["text_a"]), found, *own))
        return Dataset(windows.columns(with_gold=phase != "predict"), records, source, (*windows.notes(), *notes))

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch, without randomness."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        for name in (name for name in _GOLD if name in dataset.columns):
            batch[name] = padded_spans(dataset.ragged(name), rows, fill=UNLABELLED)
        return batch

    def gold_label(self, record: Record) -> object:
        """Its spans; with relations both."""
        spans = record.get("label")
        return {"spans": spans, "relations": record["relations"]} if "relations" in record else spans

    def _records(self, source: Path | Sequence[GivenRow], phase: Phase, *, is_span_file: bool) -> Iterator[Record]:
        drops_bad = self.config.on_bad_span == "drop"
        return nested_records(source, self.config, phase, is_span_file=is_span_file, drops_bad=drops_bad)

    def _has_spans(self, file: Path, phase: Phase) -> bool:
        """Whether the file has a form of texts with spans; a JSON file to train on has to."""
        config = self.config
        if config.file_format != "auto":
            return config.file_format == "spans"
        if phase != "predict" and table_format(config, file) in ("json", "jsonl"):
            return True
        names = config.column("text_a"), config.column("label")
        return is_span_file(file, *names, may_be_text=False, encoding=config.encoding)

    def _numbered(
        self, records: Sequence[Record], source: DataSource, phase: Phase
    ) -> tuple[list[tuple[_Triples, _Triples]], tuple[str, ...]]:
        """Spans (start, end, id of the type) and relations (head, tail, id) of each record, and remarks about types.

        Raises:
            DataError: Unknown types.
        """
        if phase == "predict":
            return [([], []) for _ in records], ()
        if self.labels is None:
            rule = "Labels are learnt from the training file before another file is encoded."
            raise ValueError(f"{rule} Found `labels = None`.")
        problems = FileProblems(source)
        encoder = LabelEncoder(self.labels, self.config, phase, problems)
        related = LabelEncoder(LabelMap(self.labels.relations), _without_count(self.config), phase, problems)
        found = []
        for record in records:
            line = int(str(record["line"]))
            spans = _spans_of(record)
            own = [(span["start"], span["end"], encoder.id_of(str(span["type"]), line)) for span in spans]
            ends = [(one["head"], one["tail"], related.id_of(str(one["type"]), line)) for one in _relations_of(record)]
            found.append((own, ends))
        encoder.raise_all()
        return found, (*encoder.notes(), *related.notes())


def _without_count(config: SpanReaderConfig) -> SpanReaderConfig:
    """The keys for relations, whose number n_classes does not say."""
    return config.model_copy(update={"n_classes": None})


def _spans_of(record: Record) -> Sequence[Mapping[str, Any]]:
    return cast("Sequence[Mapping[str, Any]]", record.get("label", ()))


def _relations_of(record: Record) -> Sequence[Mapping[str, Any]]:
    return cast("Sequence[Mapping[str, Any]]", record.get("relations", ()))
