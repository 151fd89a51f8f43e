"""Windows cover every token, as BERT's SQuAD code cuts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.windows import Window, max_context, sliding_windows, word_windows


@pytest.mark.parametrize(
    ("num_tokens", "width", "stride", "expected"),
    [
        (10, 10, 3, [(0, 10)]),
        (11, 10, 3, [(0, 10), (3, 11)]),
        (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
        (10, 4, 3, [(0, 4), (3, 7), (6, 10)]),
        (9, 4, 100, [(0, 4), (4, 8), (8, 9)]),
        (0, 4, 2, [(0, 0)]),
        (3, 1, 1, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_sliding_windows(num_tokens, width, stride, expected):
    assert sliding_windows(num_tokens, width=width, stride=stride) == [Window(*pair) for pair in expected]


@given(st.integers(1, 200), st.integers(1, 50), st.integers(1, 60))
def test_windows_cover_every_token_and_none_lies_in_another(num_tokens, width, stride):
    windows = sliding_windows(num_tokens, width=width, stride=stride)
    covered = np.concatenate([np.arange(window.start, window.end) for window in windows])
    assert set(covered.tolist()) == set(range(num_tokens))
    assert all(0 < window.end - window.start <= width for window in windows)
    assert [window.end for window in windows] == sorted({window.end for window in windows})


@given(st.integers(1, 120), st.integers(1, 40), st.integers(1, 40))
def test_max_context_is_berts(num_tokens, width, stride):
    windows = sliding_windows(num_tokens, width=width, stride=stride)
    marks = max_context(windows, num_tokens)
    for number, window in enumerate(windows):
        for token in range(window.start, window.end):
            assert marks[number][token - window.start] == (_best_window(windows, token) == number)


def _best_window(windows, token):
    """run_squad.py's `_check_is_max_context`, in its own words."""
    best_score, best = None, None
    for number, window in enumerate(windows):
        if not window.start <= token < window.end:
            continue
        length = window.end - window.start
        score = min(token - window.start, window.end - 1 - token) + 0.01 * length
        if best_score is None or score > best_score:
            best_score, best = score, number
    return best


@pytest.mark.parametrize(
    ("pieces", "width", "expected"),
    [
        ([1, 1, 1], 5, [(0, 3)]),
        ([2, 2, 2], 4, [(0, 2), (2, 3)]),
        ([1, 9, 1, 1], 4, [(0, 1), (1, 2), (2, 4)]),
        ([9], 4, [(0, 1)]),
        ([], 4, [(0, 0)]),
    ],
)
def test_word_windows_keep_words_whole(pieces, width, expected):
    assert word_windows(pieces, width=width) == [Window(*pair) for pair in expected]
