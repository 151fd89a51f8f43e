"""Answers are checked at their offset and turned into the tokens that hold them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.reader.mrc_windows import GoldAnswer, as_array, misplaced, nearest_occurrence, token_span, usable

CONTEXT = "the cat sat on the mat"


def test_an_answer_in_its_place():
    assert misplaced(GoldAnswer("cat", 4), CONTEXT) is None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            GoldAnswer("the", 13),
            "answer text `the` is not at answer_start 13, found `n t`. The nearest true offset is 15.",
        ),
        (
            GoldAnswer("the", 2),
            "answer text `the` is not at answer_start 2, found `e c`. The nearest true offset is 0.",
        ),
        (
            GoldAnswer("dog", 4),
            "answer text `dog` is not at answer_start 4, found `cat`. The text is not in the context.",
        ),
        (
            GoldAnswer("cat", -1),
            "answer text `cat` is not at answer_start -1, found nothing. The nearest true offset is 4.",
        ),
        (
            GoldAnswer("mat", 99),
            "answer text `mat` is not at answer_start 99, found nothing. The nearest true offset is 19.",
        ),
        (
            GoldAnswer("Cat", 4),
            "answer text `Cat` is not at answer_start 4, found `cat`. The text is not in the context.",
        ),
    ],
)
def test_an_answer_out_of_place(answer, message):
    assert misplaced(answer, CONTEXT) == message


def test_characters_beyond_the_basic_plane_count_once():
    assert misplaced(GoldAnswer("北京", 2), "😀 北京") is None


@given(st.text("ab", min_size=1, max_size=3), st.text("ab", max_size=20), st.integers(-3, 25))
def test_the_nearest_occurrence_is_nearest(text, context, start):
    places = [place for place in range(len(context)) if context.startswith(text, place)]
    found = nearest_occurrence(text, context, start)
    if not places:
        assert found is None
    else:
        assert context.startswith(text, found)
        assert abs(found - start) == min(abs(place - start) for place in places)


OFFSETS = as_array([(0, 3), (4, 7), (7, 9), (10, 11)])


@pytest.mark.parametrize(
    ("answer", "span"),
    [
        (GoldAnswer("xxx", 0), (0, 0)),
        (GoldAnswer("xxxxx", 4), (1, 2)),
        (GoldAnswer("x", 5), (1, 1)),
        (GoldAnswer("xxx", 6), (1, 2)),
        (GoldAnswer(" xxx", 3), (1, 1)),
        (GoldAnswer("xxx ", 0), (0, 0)),
        (GoldAnswer("x" * 11, 0), (0, 3)),
        (GoldAnswer(" ", 9), None),
        (GoldAnswer(" ", 3), None),
        (GoldAnswer("xx", 11), None),
    ],
)
def test_tokens_that_hold_an_answer(answer, span):
    assert token_span(answer, OFFSETS) == span


def test_no_tokens():
    assert token_span(GoldAnswer("x", 0), as_array([])) is None


def question(*answers, text="who"):
    return {
        "question": text,
        "context": CONTEXT,
        "answers": [{"text": text, "answer_start": at} for text, at in answers],
    }


def test_good_answers_are_kept_and_bad_ones_named():
    record = question(("cat", 4), ("cat", 5), ("cat", 5))
    left, faults = usable(record, as_array([(4, 7)]))
    assert left == question(("cat", 4))
    assert faults == ["answer text `cat` is not at answer_start 5, found `at `. The nearest true offset is 4."]


def test_nothing_is_left_of_a_question_whose_answers_are_all_wrong():
    assert usable(question(("dog", 4)), as_array([(4, 7)]))[0] is None


def test_a_question_without_answers_stays():
    assert usable(question(), as_array([])) == (question(), [])


def test_an_empty_question_goes():
    assert usable(question(("cat", 4), text=" "), as_array([(4, 7)])) == (None, ["the question is empty."])


def test_an_answer_of_which_no_token_is_left():
    left, faults = usable(question((" ", 3)), as_array([(0, 3), (4, 7)]))
    assert left is None
    assert faults == ["no token is left of the answer ` `."]
