"""Prompts are read as constants: nothing is evaluated, and what is wrong is refused at its character."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.prompt_literal import LONGEST_PROMPT, parse_mapping, split_template


def pieces(prompt: str) -> list[object]:
    return [piece.text if piece.text is not None else dict(piece.keys) for piece in split_template(prompt)]


def test_free_text_and_parts() -> None:
    assert pieces("这条新闻标题的主题是") == ["这条新闻标题的主题是"]
    assert pieces("{'text':'text_a'} It was {'mask'}.") == [{"text": "text_a"}, " It was ", {"mask": None}, "."]
    assert pieces("") == []


def test_constants_of_every_kind() -> None:
    prompt = """{"soft": "请'判断", 'length': 15, 'x': -1.5, 'y': True, 'z': None, 'w': ['a', 2], 'v': ('b',)}"""
    expected = {"soft": "请'判断", "length": 15, "x": -1.5, "y": True, "z": None, "w": ("a", 2), "v": ("b",)}
    assert pieces(prompt) == [expected]
    assert pieces(r"{'hard': 'a{b}\n\u4f60\'\\\q'}") == [{"hard": "a{b}\n你'\\\\q"}]
    assert pieces("{ 'mask' : None ,\n 'length':2, }") == [{"mask": None, "length": 2}]


def test_places_are_counted_from_1() -> None:
    assert [piece.place for piece in split_template("你{'mask'}好{'sep'}")] == [1, 2, 10, 11]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("你好{'mask'", "character 3: a brace must be closed"),
        ("{'mask'", "character 1: a brace must be closed"),
        ("a}b", "character 2: a brace must be opened before it closes"),
        ("{}", "character 1: braces must hold a part"),
        ("{mask}", "character 2: braces hold constants.*nothing is evaluated. Found `mask}`"),
        ("{'text': __import__('os')}", "character 10: braces hold constants"),
        ("{'length': 2**9**9}", "character 13: braces hold constants"),
        ("{'length': 12abc}", "character 12: braces hold constants"),
        ("{'a': {'b': 1}}", "character 7: a text, a number, True, False or None is expected, found `{`"),
        ("{'a': [[1]]}", "character 8: a text, a number"),
        ("{1.5: 2}", "character 2: a key in quotation marks is expected"),
        ("{True: 2}", "character 2: a key in quotation marks is expected"),
        ("{: 2}", "character 2: a key in quotation marks is expected"),
        ("{'mask' 'sep'}", r"character 9: `,` or `}` is expected, found `sep`"),
        ("{'mask', 'mask'}", "character 10: a key must occur once in braces, found `mask` twice"),
        ("{‘mask’}", "character 2: quotation marks must be straight"),
        ("{'mask}", "character 2: a text must end with its quotation mark"),
    ],
)
def test_what_is_wrong_is_refused_at_its_character(prompt: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_template(prompt)


def test_a_prompt_of_megabytes_is_refused() -> None:
    with pytest.raises(ValueError, match=f"a prompt has up to {LONGEST_PROMPT} characters"):
        split_template("a" * (LONGEST_PROMPT + 1))


def test_deep_nesting_is_refused() -> None:
    for text in ("{'a': " + "[" * 50_000, "{" * 50_000, "{'a': " + "-" * 50_000 + "1}"):
        with pytest.raises(ValueError, match="character "):
            split_template(text)


@given(st.text(alphabet="{}[]()'\"\\:, a1你N\n", max_size=40))
def test_any_text_is_read_or_refused(prompt: str) -> None:
    try:
        found = split_template(prompt)
    except ValueError as error:
        message = str(error)
    else:
        message = "" if all(piece.keys or piece.text for piece in found) else "an empty piece"
    assert not message or re.match(r"character \d+: ", message)


def test_mappings() -> None:
    assert parse_mapping(" {'0':'terrible', '1': ['great', '好'], 2: 'c'} ") == {
        "0": "terrible",
        "1": ("great", "好"),
        "2": "c",
    }
    for text, message in {"a": "a mapping such as", "{'a': 'b'} c": "found more text", "{'a'": "closed"}.items():
        with pytest.raises(ValueError, match=message):
            parse_mapping(text)
