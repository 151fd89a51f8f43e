"""The reader `parse`: sentences of CoNLL-U with a head and a relation for each word."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from palm.data.dataset import UNLABELLED, Batch, Dataset, DataSource, GivenRow, IntArray, LabelMap, Ragged, Record
from palm.data.dependency_tree import ROOT
from palm.data.sequences import INPUTS, pad_inputs
from palm.data.tokenizer import Tokenizer
from palm.errors import counted
from palm.reader.base import GOLD, READERS, Reader
from palm.reader.column_names import ARCS, WORDS, ColumnGuess
from palm.reader.fields import LABEL_KEYS, LabelledFields
from palm.reader.formats.tagged_formats import is_table, tagged_format
from palm.reader.labels import learn_label_map
from palm.reader.tree_records import tree_records, word_records
from palm.reader.tree_rows import tree_rows
from palm.reader.word_windows import strings_of, windows_with_records, word_columns, word_label_ids
from palm.spec import Phase, Spec, Specs

_GOLD: Specs = {"label_ids": Spec("batch seq", "int64"), "head_positions": Spec("batch seq", "int64")}


class ParseReaderConfig(LabelledFields):
    """Keys of the reader `parse`."""

    known_columns: ClassVar[tuple[str, ...]] = ("text_a", "heads", "label")
    known_formats: ClassVar[tuple[str, ...]] = ("auto", "conll", "tsv", "csv", "jsonl", "json", "lines")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (WORDS, ARCS)


@READERS.register("parse")
class ParseReader(Reader):
    """Reads `{"words": [str], "heads": [int], "labels": [str], "line": int}` from CoNLL-U, or from rows of a table.

    Records of CoNLL-U also hold `source_lines`: the sentence as it stands in the file.

    `heads` count words from 1, and are 0 for the root; `labels` are the relations to them. Rows to predict may be words
    alone, as in the reader `seq_label`. The first token of a word stands for it. A sentence longer than max_seq_len
    becomes several examples, and what has its head in another one is not learnt.
    """

    Config = ParseReaderConfig
    cache_version = "2"
    by_record = True
    splits_long_texts = True
    gold_keys = LABEL_KEYS

    def __init__(self, config: ParseReaderConfig, tokenizer: Tokenizer, labels: LabelMap | None = None) -> None:
        super().__init__(config, tokenizer, labels)
        self.config: ParseReaderConfig = config

    def outputs_attr(self, phase: Phase) -> Specs:
        """The model's inputs, which tokens begin a word, and unless predicting relation and place of each one's head.

        Both are -100 where nothing is to be learnt; the place of the root is 0, that of [CLS].
        """
        inputs = {**INPUTS, "word_starts": Spec("batch seq", "float32")}
        return inputs if phase == "predict" else {**inputs, **_GOLD}

    def parse(self, file: Path, phase: Phase) -> Iterator[Record]:
        """The sentences one by one."""
        if is_table(self.config, file):
            return tree_rows(file, self.config, phase)
        if phase == "predict" and tagged_format(self.config, file) != "conll":
            return word_records(file, self.config)
        return tree_records(file, self.config, phase)

    def parse_rows(self, rows: Sequence[GivenRow], phase: Phase) -> Iterator[Record]:
        """The records of rows from a program: `{"text_a": [str], "heads": [int], "label": [str]}`, or words alone."""
        return tree_rows(rows, self.config, phase)

    def texts_of(self, record: Record) -> tuple[str, ...]:
        """The sentence."""
        return (" ".join(strings_of(record, "words")),)

    def gold_label(self, record: Record) -> object:
        """Heads and relations."""
        return {"heads": record["heads"], "relations": record["labels"]} if "labels" in record else None

    def row_of(self, record: Record) -> dict[str, object]:
        """The words, what is kept of a table, and `gold`."""
        kept, gold = record.get("kept", {}), self.gold_label(record)
        named = cast("dict[str, object]", kept) | {"words": record["words"]}
        return named if gold is None else {**named, GOLD: gold}

    def learn_labels(self, records: Sequence[Record]) -> LabelMap:
        """The relations of a training file."""
        names = (label for record in records for label in strings_of(record, "labels"))
        return learn_label_map(names, self.config.n_classes)

    def blank_words(self, record: Record) -> int:
        return sum(not word.strip() for word in strings_of(record, "words"))

    def truncated(self, dataset: Dataset) -> list[int]:
        """The sentences of several windows, each of which is parsed by itself."""
        numbers, windows = np.unique(dataset.array("record"), return_counts=True)
        return [int(number) for number in numbers[windows > 1]]

    def encode(self, records: Sequence[Record], source: DataSource, phase: Phase) -> Dataset:
        """`[CLS] words [SEP]`, in as many windows as needed."""
        columns = word_columns(records, self.tokenizer, self.config.max_seq_len)
        if phase == "predict":
            return Dataset(columns, records, source)
        relations, notes = word_label_ids(records, self.labels, self.config, source, phase)
        windows = windows_with_records(columns)
        gold = [_arcs_of(words, records[number], relations[number]) for words, number in windows]
        columns["label_ids"] = Ragged.from_rows([labels for labels, _, _ in gold])
        columns["head_positions"] = Ragged.from_rows([heads for _, heads, _ in gold])
        apart = sum(lost for _, _, lost in gold)
        return Dataset(columns, records, source, (*notes, *self._note_apart(apart, phase)))

    def collate(self, dataset: Dataset, rows: IntArray, generator: np.random.Generator) -> Batch:
        """One padded batch, without randomness."""
        batch = pad_inputs(dataset, rows, pad_id=self.tokenizer.pad_id)
        batch["word_starts"] = (dataset.ragged("word_index").padded(rows, fill=-1) >= 0).astype("float32")
        for name in _GOLD:
            if name in dataset.columns:
                batch[name] = dataset.ragged(name).padded(rows, fill=UNLABELLED).astype("int64")
        return batch

    def _note_apart(self, count: int, phase: Phase) -> Iterator[str]:
        if count:
            where = f"the head of {counted(count, 'word')} lies in another window of max_seq_len tokens"
            effect = "nothing is learnt of them" if phase == "train" else "they count as wrong"
            yield f"{where} ({self.config.max_seq_len}), and {effect}."


def _arcs_of(word_index: IntArray, record: Record, relations: IntArray) -> tuple[IntArray, IntArray, int]:
    """Relation and head's place of each token that begins a word, else -100, and the words with a head elsewhere."""
    places = np.flatnonzero(word_index >= 0)
    words = word_index[places]
    place_of = np.full(len(relations) + 1, UNLABELLED)  # of each word, which heads count from 1
    place_of[words + 1], place_of[ROOT] = places, 0
    heads = place_of[np.array(record["heads"], "int64")[words]]
    labels, found = np.full(len(word_index), UNLABELLED), np.full(len(word_index), UNLABELLED)
    known = (heads != UNLABELLED) & (relations[words] != UNLABELLED)
    labels[places[known]], found[places[known]] = relations[words[known]], heads[known]
    return labels, found, int((heads == UNLABELLED).sum())
