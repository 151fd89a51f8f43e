"""Answers are found where no offset is given, or where blanks and composed characters differ."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.reader.formats.answer_offsets import NO_OFFSET, LocatedAnswer, locate

CAFE = "cafe\u0301"


@pytest.mark.parametrize(
    ("text", "start", "context", "found"),
    [
        ("Rome", 13, "Anna reached Rome.", LocatedAnswer("Rome", 13)),
        ("reached Rome", 5, "Anna reached\u00a0Rome.", LocatedAnswer("reached\u00a0Rome", 5, is_respelt=True)),
        ("我 爱", 1, "在我\u3000爱", LocatedAnswer("我\u3000爱", 1, is_respelt=True)),
        ("caf\u00e9", 4, f"the {CAFE}s", LocatedAnswer(CAFE, 4, is_respelt=True)),
        (CAFE, 4, "the caf\u00e9s", LocatedAnswer("caf\u00e9", 4, is_respelt=True)),
        (
            "한국",
            1,
            unicodedata.normalize("NFD", "a한국b"),
            LocatedAnswer("\u1112\u1161\u11ab\u1100\u116e\u11a8", 1, is_respelt=True),
        ),
        ("cafe", 0, CAFE, LocatedAnswer("cafe", 0)),  # it stands there as it is
        ("Rome", None, "Anna reached Rome.", LocatedAnswer("Rome", 13, is_found=True)),
        ("京 里", None, "北京\u00a0里", LocatedAnswer("京\u00a0里", 1, is_found=True, is_respelt=True)),
        ("aa", None, "aaa", LocatedAnswer("aa", NO_OFFSET)),  # occurs twice
        ("dog", None, "the cat", LocatedAnswer("dog", NO_OFFSET)),
        ("", None, "the cat", LocatedAnswer("", NO_OFFSET)),
        ("cat", 3, "the cat", LocatedAnswer("cat", 3)),  # a wrong offset is not ours to correct
        ("cat", 99, "the cat", LocatedAnswer("cat", 99)),
        ("cat", 10**30, "the cat", LocatedAnswer("cat", 10**30)),
    ],
)
def test_answers(text, start, context, found):
    assert locate(text, start, context) == found


@given(st.text("ae\u0301\u00a0 \u3000京e\u00e9", max_size=12), st.data())
def test_what_is_found_is_in_the_context_and_alike(context, data):
    start = data.draw(st.integers(0, max(len(context) - 1, 0)))
    text = unicodedata.normalize("NFC", context[start : start + 4]).replace("\u00a0", " ")
    for given_start in (start, None):
        found = locate(text, given_start, context)
        if found.is_found or found.is_respelt:
            assert context.startswith(found.text, found.start)
            assert alike(found.text) == alike(text)


def alike(text):
    return "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFC", text))
