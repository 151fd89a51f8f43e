"""Rows for a comparison where no data are at hand: made of the vocabulary, of all lengths that a model takes."""

from dataclasses import replace

import numpy as np

from palm.data.dataset import Dataset
from palm.engine.task_instance import TaskInstance
from palm.randomness import philox
from palm.reader.loading import load_rows

MADE = "made of the vocabulary"
"""Where such rows are from, for messages."""
_ROWS = 16


def made_rows(task: TaskInstance) -> Dataset:
    """Rows to predict for `task`: from one token to more than max_seq_len, the same whenever they are made.

    Raises:
        ConfigError: A user's reader that only reads files.
        DataError: A user's reader that wants other columns.
    """
    reader, generator = task.reader, philox(0, "made rows", task.name)
    tokenizer = reader.tokenizer
    known = np.setdiff1d(np.arange(tokenizer.vocab_size), list(tokenizer.special_ids))
    lengths = np.geomspace(1, 1.25 * reader.config.max_seq_len, _ROWS).astype("int64")

    def text(length: int) -> str:
        # Without control characters, which a tokenizer removes, so that no text is empty.
        words = tokenizer.decode(generator.choice(known, size=max(length, 1)).tolist())
        return "".join(char for char in words if char.isprintable()).strip() or "a"

    count = len(reader.text_columns)
    rows = [reader.row_of_texts([text(length // (1 + place)) for place in range(count)]) for length in lengths.tolist()]
    return replace(load_rows(reader, rows, "predict"), file=MADE)
