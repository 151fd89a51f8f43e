"""Spans of tokens: blanks trimmed, marks kept, a blank alone empty."""

import pytest

from palm.data.offsets import exact_spans

MARKER = 9


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("", [], []),
        ("New York", [(1, (0, 3)), (2, (3, 8))], ["New", "York"]),  # ` York`
        (" \u00a0北", [(1, (0, 3))], ["北"]),
        ("北 京", [(1, (0, 1)), (MARKER, (1, 2)), (2, (2, 3))], ["北", "", "京"]),
        ("北京", [(MARKER, (0, 1)), (1, (0, 2))], ["", "北京"]),  # a blank that the tokenizer adds
        ("▁x", [(MARKER, (0, 1)), (1, (1, 2))], ["▁", "x"]),  # the character itself
        ("e\u0301 x", [(1, (0, 1)), (2, (2, 4))], ["e\u0301", "x"]),
        ("e\u0301x", [(1, (0, 1)), (2, (1, 2)), (3, (2, 3))], ["e", "\u0301", "x"]),  # a token of its own
        ("i\u0301x", [(1, (0, 1)), (2, (0, 1)), (3, (2, 3))], ["i\u0301", "i\u0301", "x"]),  # two bytes of a character
        ("😀", [(1, (0, 1)), (2, (0, 1))], ["😀", "😀"]),
        ("a\n\n", [(1, (0, 1)), (2, (1, 3))], ["a", ""]),
    ],
)
def test_spans(text, tokens, expected):
    ids, spans = [number for number, _ in tokens], [span for _, span in tokens]
    found = exact_spans(ids, spans, text, {MARKER})
    assert [text[start:end] for start, end in found] == expected
    assert [start for start, _ in found] == sorted(start for start, _ in found)
    assert [end for _, end in found] == sorted(end for _, end in found)
