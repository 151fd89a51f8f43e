"""Sliding windows over token sequences that are longer than the model takes.

The rules are BERT's for SQuAD: https://github.com/google-research/bert/blob/eedf5716ce1268e56f0a50264a88cafad334ac61/run_squad.py#L227
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palm.data.dataset import IntArray
from palm.data.layout import TextLayout
from palm.data.tokenizer import WordTokens


@dataclass(frozen=True)
class Window:
    """Tokens `start` to `end` (exclusive) of a sequence."""

    start: int
    end: int


def sliding_windows(num_tokens: int, *, width: int, stride: int) -> list[Window]:
    """Windows of at most `width` tokens, each starting `stride` after the one before, up to the end.

    A stride beyond `width` is reduced to it, so every token is in a window; without tokens, one empty window.
    """
    step = min(stride, width)
    last = max(num_tokens - width, 0)
    starts = range(0, last + step, step) if last else range(1)
    return [Window(start, min(start + width, num_tokens)) for start in starts]


def max_context(windows: Sequence[Window], num_tokens: int) -> list[NDArray[np.int8]]:
    """For each window and each of its tokens, 1 where no other window gives the token more context.

    Context is the smaller number of tokens to its left and right, plus 0.01 × the window's width. The first of equals
    counts.
    """
    most, best = np.full(num_tokens, -1.0), np.zeros(num_tokens, "int64")
    for number, window in enumerate(windows):
        inside, position = slice(window.start, window.end), np.arange(window.end - window.start)
        score = np.minimum(position, position[::-1]) + 0.01 * len(position)
        best[inside] = np.where(score > most[inside], number, best[inside])
        most[inside] = np.maximum(score, most[inside])
    return [(best[window.start : window.end] == number).astype("int8") for number, window in enumerate(windows)]


def word_windows(tokens_per_word: Sequence[int], *, width: int) -> list[Window]:
    """Adjacent windows of whole words and at most `width` tokens; a word with more tokens has its own window.

    Without words, one empty window.
    """
    windows, start, filled = [], 0, 0
    for word, tokens in enumerate(tokens_per_word):
        if word > start and filled + tokens > width:
            windows.append(Window(start, word))
            start, filled = word, 0
        filled += tokens
    return [*windows, Window(start, len(tokens_per_word))]


def windows_of(sentence: WordTokens, layout: TextLayout, max_seq_len: int) -> list[tuple[list[int], IntArray]]:
    """Token ids and word index (of first tokens, else -1) of each window; a word beyond a window is truncated.

    Args:
        sentence: The tokens of a sentence in words.
        layout: Where special tokens stand around it.
        max_seq_len: Tokens of a window, with these.
    """
    front, back = (np.full(len(part), -1) for part in (layout.front, layout.back))
    room = max(max_seq_len - layout.num_special, 1)
    words = np.array(sentence.words, "int64")
    is_first = np.diff(words, prepend=-1) > 0
    index = np.where(is_first, words, -1)
    if len(words) <= room:  # most sentences
        return [(layout.single(sentence.ids), np.concatenate([front, index, back]))]
    bounds = [*np.flatnonzero(is_first).tolist(), len(words)]
    windows = []
    for window in word_windows(np.diff(bounds).tolist(), width=room):
        start = bounds[window.start]
        end = min(bounds[window.end], start + room)
        tokens = layout.single(sentence.ids[start:end])
        windows.append((tokens, np.concatenate([front, index[start:end], back])))
    return windows
