"""Builds rows with special tokens, such as `[CLS] a [SEP] b [SEP]`, and pads batches of them, for all readers."""

from collections.abc import Sequence

import numpy as np

from palm.data.dataset import Batch, Dataset, IntArray, Ragged
from palm.data.tokenizer import Tokenizer
from palm.spec import Spec, Specs

INPUTS: Specs = {
    "token_ids": Spec("batch seq", "int64"),
    "position_ids": Spec("batch seq", "int64"),
    "segment_ids": Spec("batch seq", "int64"),
    "task_ids": Spec("batch seq", "int64"),
    "input_mask": Spec("batch seq", "float32"),
}


def single_row(ids: Sequence[int], tokenizer: Tokenizer, max_seq_len: int) -> list[int]:
    """`[CLS] a [SEP]`, or as the tokenizer lays out a text, with `a` truncated to fit."""
    return tokenizer.single.single(ids[: max(max_seq_len - tokenizer.single.num_special, 0)])


def pair_row(
    first: Sequence[int], second: Sequence[int], tokenizer: Tokenizer, max_seq_len: int
) -> tuple[list[int], list[int]]:
    """Token ids and segment ids of `[CLS] a [SEP] b [SEP]`, or as the tokenizer lays out a pair.

    The longer of the two is cut until both fit, as in BERT.
    """
    room = max_seq_len - tokenizer.pair.num_special
    keep_first, keep_second = fit_pair(len(first), len(second), room=room)
    return tokenizer.pair.pair(first[:keep_first], second[:keep_second])


def fit_pair(first: int, second: int, *, room: int) -> tuple[int, int]:
    """Numbers of tokens left when the longer text (the second if equal) is truncated until both fit into `room`."""
    room = max(room, 0)
    if first + second <= room:
        return first, second
    shorter = min(first, second, room // 2)
    if first <= second and first == shorter:
        return first, room - first
    if second < first and second == shorter:
        return room - second, second
    return room - room // 2, room // 2


def pad_inputs(dataset: Dataset, rows: IntArray, *, pad_id: int) -> Batch:
    """The model's inputs (see `INPUTS`) of the examples `rows`, padded to the longest."""
    tokens = dataset.ragged("token_ids").padded(rows, fill=pad_id).astype("int64")
    count, width = tokens.shape
    lengths = dataset.lengths[rows]
    if "segment_ids" in dataset.columns:
        segments = dataset.ragged("segment_ids").padded(rows, fill=0, width=width).astype("int64")
    else:
        segments = np.zeros_like(tokens)
    return {
        "token_ids": tokens,
        "position_ids": np.tile(np.arange(width, dtype="int64"), (count, 1)),
        "segment_ids": segments,
        "task_ids": np.zeros_like(tokens),
        "input_mask": (np.arange(width) < lengths[:, None]).astype("float32"),
    }


def split_examples(
    dataset: Dataset, rows: IntArray, names: Sequence[str], *, lengths: str, kept: Sequence[IntArray] | None = None
) -> Dataset:
    """The sequences of the examples `rows` one by one, for examples of several sequences.

    Args:
        dataset: Examples whose ragged columns are those of their sequences, concatenated.
        rows: The examples.
        names: The ragged columns to take.
        lengths: The ragged column with the length of each sequence.
        kept: The numbers of the sequences to take of each example, in order; by default all.
    """
    counts = dataset.ragged(lengths)
    taken = [np.arange(len(counts[row])) for row in rows] if kept is None else kept
    lengths_taken = [counts[row][numbers] for row, numbers in zip(rows, taken, strict=True)]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths_taken))]).astype("int64")
    masks = [_token_mask(counts[row], numbers) for row, numbers in zip(rows, taken, strict=True)]
    columns: dict[str, Ragged | np.ndarray] = {
        name: Ragged(
            np.concatenate([dataset.ragged(name)[row][own] for row, own in zip(rows, masks, strict=True)]), offsets
        )
        for name in names
    }
    return Dataset({**columns, "record": np.arange(len(offsets) - 1)}, [], dataset.file)


def _token_mask(lengths: IntArray, numbers: IntArray) -> "slice | np.ndarray":
    """What selects the tokens of the sequences `numbers` of an example: all of them, or a mask."""
    if len(numbers) == len(lengths):
        return slice(None)
    return np.repeat(np.isin(np.arange(len(lengths)), numbers), lengths)
