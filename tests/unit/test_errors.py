"""Names that look the same are distinguished by their code points."""

import unicodedata

import pytest

from palm.errors import ConfigError, Problem, counted, find_lookalike, invisible_difference
from palm.registry import did_you_mean

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


def test_an_error_lists_its_problems():
    error = ConfigError([Problem("a.yaml:1", "one."), Problem("", "two.")])
    assert str(error) == "a.yaml:1: one.\ntwo."
    assert ConfigError(Problem("x", "y.")).problems == (Problem("x", "y."),)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (DECOMPOSED, COMPOSED),
        ("learning_r\u0430te", "learning_rate"),
        ("new\u00a0york", "new york"),
        ("\u4f53\u200b\u80b2", "\u4f53\u80b2"),
        ("\ufeffintent", "intent"),
        ("\uff4f\uff4b", "ok"),
        ("\ufb01lm", "film"),
    ],
)
def test_lookalikes(name, other):
    assert find_lookalike(name, ["x", other]) == other
    assert find_lookalike(other, [other, name]) == name


@pytest.mark.parametrize(("name", "other"), [("cafe", COMPOSED), ("\u65b0\u95fb", "\u65b0\u805e"), ("yes", "Yes")])
def test_visible_differences(name, other):
    assert find_lookalike(name, [other]) is None
    assert "U+" not in did_you_mean(name, [other])


def test_the_difference_is_spelled_out():
    assert did_you_mean(DECOMPOSED, ["x", COMPOSED]) == (
        f" Did you mean `{COMPOSED}`? They differ in U+0065 U+0301 and U+00E9."
    )
    assert invisible_difference("a\u200bb", "ab") == "They differ in U+200B and nothing."
    assert did_you_mean("gooood", ["good"]) == " Did you mean `good`?"


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1000, "1000 rows")])
def test_a_number_has_the_noun_that_fits(number, text):
    assert counted(number, "row") == text
