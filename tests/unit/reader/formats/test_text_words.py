"""Texts are split into words that are exact pieces of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.reader.formats.text_words import split_text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna met Bo in New York.", ["Anna", "met", "Bo", "in", "New", "York", "."]),
        ("don't, e-mail", ["don", "'", "t", ",", "e", "-", "mail"]),
        ("我爱北京2008年 IBM", ["我", "爱", "北", "京", "2008", "年", "IBM"]),
        ("cafe\u0301s caf\u00e9", ["cafe\u0301s", "caf\u00e9"]),
        ("snake_case\u3000a\u00a0b\tc", ["snake_case", "a", "b", "c"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("a\u200bb 😀!", ["a", "b", "😀", "!"]),
        ("", []),
        (" \n", []),
    ],
)
def test_words(text, words):
    assert split_text(text, by_character=False).words == words


def test_characters():
    assert split_text("我 爱NBA", by_character=True).words == ["我", "爱", "N", "B", "A"]


@given(st.text("aé\u0301 \n\u200b京_.9😀", max_size=20), st.booleans())
def test_words_are_in_order_and_lose_nothing_visible(text, by_character):
    split = split_text(text, by_character=by_character)
    assert split.words == [text[start:end] for start, end in split.places]
    ends = [0, *(end for _, end in split.places)]
    starts = [*(start for start, _ in split.places), len(text)]
    assert all(end <= start for end, start in zip(ends, starts, strict=True))
    assert "".join(split.words) == "".join(char for char in text if not char.isspace() and char != "\u200b")
