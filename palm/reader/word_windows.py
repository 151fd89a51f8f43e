"""Sentences in words as windows of tokens, and the ids of the labels of their words: for `seq_label` and `parse`."""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from palm.data.dataset import DataSource, IntArray, LabelMap, Ragged, Record
from palm.data.tokenizer import Tokenizer
from palm.data.windows import windows_of
from palm.reader.fields import LabelledFields
from palm.reader.formats.files import FileProblems
from palm.reader.labels import LabelEncoder
from palm.spec import Phase


def word_columns(records: Sequence[Record], tokenizer: Tokenizer, max_seq_len: int) -> dict[str, Ragged | np.ndarray]:
    """The columns `token_ids`, `word_index` and `record` of `[CLS] words [SEP]`, in as many windows as needed."""
    sentences = tokenizer.encode_words([strings_of(record, "words") for record in records])
    rows = [
        (number, *window)
        for number, sentence in enumerate(sentences)
        for window in windows_of(sentence, tokenizer.single, max_seq_len)
    ]
    return {
        "token_ids": Ragged.from_rows([tokens for _, tokens, _ in rows]),
        "word_index": Ragged.from_rows([words for _, _, words in rows]),
        "record": np.array([number for number, _, _ in rows], "int64"),
    }


def windows_with_records(columns: dict[str, Ragged | np.ndarray]) -> Iterator[tuple[IntArray, int]]:
    """The word index of each window of `word_columns`, and the number of its record."""
    index, numbers = cast("Ragged", columns["word_index"]), cast("np.ndarray", columns["record"])
    return zip(map(index.__getitem__, range(len(index))), numbers.tolist(), strict=True)


def word_label_ids(
    records: Sequence[Record], labels: LabelMap | None, config: LabelledFields, source: DataSource, phase: Phase
) -> tuple[list[IntArray], tuple[str, ...]]:
    """Ids of the labels of each record's words, and remarks about them.

    Raises:
        DataError: Unknown labels.
    """
    if labels is None:
        rule = "Labels are learnt from the training file before another file is encoded."
        raise ValueError(f"{rule} Found `labels = None`.")
    problems = FileProblems(source)
    encoder = LabelEncoder(labels, config, phase, problems)
    ids = []
    for record in records:
        line = int(str(record["line"]))
        ids.append(np.array([encoder.id_of(label, line) for label in strings_of(record, "labels")], "int64"))
    encoder.raise_all()
    return ids, encoder.notes()


def strings_of(record: Record, name: str) -> list[str]:
    """A field of a record that holds a string for each word."""
    return cast("list[str]", record[name])
