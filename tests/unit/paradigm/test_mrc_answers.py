"""Answers from logits: by hand, against a slow search, and always pieces of their context."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.paradigm.mrc_answers import Limits, WindowLogits, rank_answers

CONTEXT = "The Seine, in Paris."
TOKENS = [(0, 3), (4, 9), (9, 10), (11, 13), (14, 19), (19, 20)]  # The Seine , in Paris .


def window(
    starts: dict[int, float],
    ends: dict[int, float],
    tokens: list[tuple[int, int]] = TOKENS,
    *,
    without_max_context: tuple[int, ...] = (),
) -> WindowLogits:
    """[CLS] question [SEP], `tokens`, [SEP]; unnamed logits are -9. Tokens of the context are numbered from 3."""
    size = len(tokens) + 4
    offsets = [(-1, -1)] * 3 + tokens + [(-1, -1)]
    start_logits, end_logits = np.full(size, -9.0, "float32"), np.full(size, -9.0, "float32")
    for place, value in starts.items():
        start_logits[place] = value
    for place, value in ends.items():
        end_logits[place] = value
    is_max_context = np.array([start >= 0 for start, _ in offsets], "int8")
    is_max_context[list(without_max_context)] = 0
    context_start, context_end = (np.array(side, "int32") for side in zip(*offsets, strict=True))
    return WindowLogits(start_logits, end_logits, context_start, context_end, is_max_context)


def test_the_best_span_is_cut_from_the_context():
    ranking = rank_answers(CONTEXT, [window({3: 2.0}, {4: 3.0})], Limits())

    assert ranking.text == "The Seine"
    assert (ranking.nbest[0].start_logit, ranking.nbest[0].end_logit) == (2.0, 3.0)
    assert ranking.null_odds is None


def test_punctuation_and_case_stay():
    assert rank_answers(CONTEXT, [window({7: 2.0}, {8: 3.0})], Limits()).text == "Paris."
    assert (
        rank_answers("“你好！”他说。", [window({3: 1.0}, {5: 1.0}, [(0, 1), (1, 3), (3, 5)])], Limits()).text
        == "“你好！”"
    )


def test_an_end_before_the_start_is_no_answer():
    ranking = rank_answers(CONTEXT, [window({7: 5.0, 4: 1.0}, {3: 5.0, 4: 1.0})], Limits())

    assert ranking.text == "Seine"


def test_the_question_and_separators_are_no_answer():
    ranking = rank_answers(CONTEXT, [window({0: 50.0, 1: 50.0, 4: 1.0}, {1: 50.0, 9: 50.0, 4: 1.0})], Limits())

    assert ranking.text == "Seine"


def test_answers_are_at_most_max_answer_len_word_pieces():
    spans = window({3: 5.0, 7: 2.0}, {7: 5.0})

    assert rank_answers(CONTEXT, [spans], Limits(max_answer_len=5)).text == "The Seine, in Paris"
    assert rank_answers(CONTEXT, [spans], Limits(max_answer_len=4)).text == "Paris"


def test_a_start_counts_where_it_has_most_context():
    poor = window({7: 9.0}, {7: 9.0}, without_max_context=(7,))
    rich = window({4: 1.0}, {4: 1.0})

    assert rank_answers(CONTEXT, [poor, rich], Limits()).text == "Seine"


def test_windows_compete_by_score():
    first, second = window({3: 1.0}, {3: 1.0}), window({7: 2.0}, {7: 2.0})

    assert rank_answers(CONTEXT, [first, second], Limits()).text == "Paris"
    assert rank_answers(CONTEXT, [second, first], Limits()).text == "Paris"


def test_equal_texts_are_listed_once_with_the_best_score():
    ranking = rank_answers("no no", [window({3: 1.0, 4: 2.0}, {3: 1.0, 4: 2.0}, [(0, 2), (3, 5)])], Limits())

    assert [(answer.text, answer.score) for answer in ranking.nbest] == [("no", 4.0), ("no no", 3.0)]


def test_of_equal_scores_the_earlier_and_shorter_comes_first():
    ranking = rank_answers("a b c", [window({}, {}, [(0, 1), (2, 3), (4, 5)])], Limits())

    assert [answer.text for answer in ranking.nbest] == ["a", "a b", "a b c", "b", "b c", "c"]


def test_n_best_size_is_how_many_different_answers_are_kept():
    tokens = [(0, 1), (2, 3), (4, 5)]

    assert len(rank_answers("a b c", [window({}, {}, tokens)], Limits(n_best_size=4)).nbest) == 4
    assert len(rank_answers("a b c", [window({}, {}, tokens)], Limits(n_best_size=20)).nbest) == 6
    assert len(rank_answers("x x x", [window({}, {}, tokens)], Limits(n_best_size=3)).nbest) == 3


def test_probabilities_are_a_softmax_over_the_nbest():
    # Scores: a 0 + 0, b ln 3 + 0.
    ranking = rank_answers(
        "a b",
        [window({3: 0.0, 4: math.log(3.0)}, {3: 0.0, 4: 0.0}, [(0, 1), (2, 3)])],
        Limits(n_best_size=2, max_answer_len=1),
    )

    assert [answer.text for answer in ranking.nbest] == ["b", "a"]
    assert ranking.probabilities == pytest.approx((0.75, 0.25))
    assert ranking.probability == pytest.approx(0.75)


def test_no_answer_wins_when_it_exceeds_the_threshold():
    unsure = window({0: 2.0, 4: 1.0}, {0: 2.0, 4: 1.0})  # no answer 4, best answer 2

    wins = rank_answers(CONTEXT, [unsure], Limits(with_negative=True))
    assert (wins.text, wins.null_odds) == ("", 2.0)
    assert rank_answers(CONTEXT, [unsure], Limits(with_negative=True, null_score_diff_threshold=2.0)).text == "Seine"
    assert rank_answers(CONTEXT, [unsure], Limits(with_negative=True, null_score_diff_threshold=1.5)).text == ""
    assert rank_answers(CONTEXT, [unsure], Limits()).text == "Seine"


def test_the_window_most_sure_of_an_answer_speaks_for_no_answer():
    windows = [window({0: 5.0}, {0: 5.0}), window({0: 0.5, 4: 1.0}, {0: 0.0, 4: 1.0})]
    ranking = rank_answers(CONTEXT, windows, Limits(with_negative=True))

    assert (ranking.text, ranking.null_odds) == ("Seine", -1.5)


def test_no_answer_stands_in_the_nbest_by_its_score():
    ranking = rank_answers(
        CONTEXT,
        [window({0: 1.0, 4: 1.5, 7: 0.5}, {0: 1.25, 4: 1.5, 7: 0.5})],
        Limits(with_negative=True, n_best_size=3),
    )

    assert [answer.text for answer in ranking.nbest] == ["Seine", "", "Seine, in Paris", "Paris"]
    assert sum(ranking.probabilities) == pytest.approx(1.0)
    # Scores 3, 2.25, 2, 1.
    assert ranking.probability == pytest.approx(math.exp(3) / sum(math.exp(score) for score in (3, 2.25, 2, 1)))


@pytest.mark.parametrize("windows", [[], [window({}, {}, [])]], ids=["no window", "window without context"])
def test_nothing_to_choose_from(windows: list[WindowLogits]):
    ranking = rank_answers("", windows, Limits())

    assert (ranking.text, ranking.nbest, ranking.probability) == ("", (), 0.0)


def test_nothing_to_choose_from_but_no_answer():
    ranking = rank_answers("", [window({0: 1.0}, {0: 1.0}, [])], Limits(with_negative=True))

    assert (ranking.text, ranking.probability, ranking.null_odds) == ("", 1.0, None)


def test_blanks_are_no_answer():
    assert rank_answers("a \u3000", [window({4: 5.0}, {4: 5.0}, [(0, 1), (2, 3)])], Limits()).text != "\u3000"


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, list[WindowLogits]]:
    """A context of Chinese, English and blanks, in tokens of one or two characters, shown by overlapping windows."""
    context = draw(st.text(alphabet="ab,. 北京大学，。é\U0001f600", min_size=1, max_size=16))
    tokens: list[tuple[int, int]] = []
    while (start := tokens[-1][1] if tokens else 0) < len(context):
        tokens.append((start, min(start + draw(st.integers(1, 2)), len(context))))
    logit = st.integers(-40, 40).map(lambda eighths: eighths / 8)
    width, windows = draw(st.integers(1, 8)), []
    for first in range(0, len(tokens), max(width // 2, 1)):
        shown = tokens[first : first + width]
        scores = st.lists(logit, min_size=len(shown) + 4, max_size=len(shown) + 4)
        starts, ends = (dict(enumerate(draw(scores))) for _ in range(2))
        hidden = draw(st.sets(st.integers(3, len(shown) + 2)))
        windows.append(window(starts, ends, shown, without_max_context=tuple(hidden)))
    return context, windows


@settings(deadline=None)
@given(questions(), st.booleans(), st.integers(1, 5), st.integers(1, 6))
def test_every_answer_is_a_piece_of_its_context(
    question: tuple[str, list[WindowLogits]], with_negative: bool, n_best_size: int, max_answer_len: int
):
    context, windows = question
    limits = Limits(n_best_size, max_answer_len, with_negative)
    ranking = rank_answers(context, windows, limits)

    texts = [answer.text for answer in ranking.nbest]
    assert all(text in context for text in [ranking.text, *texts])
    assert len(set(texts)) == len(texts) <= n_best_size + with_negative
    assert ("" in texts) == with_negative
    assert sum(ranking.probabilities) == pytest.approx(1.0 if texts else 0.0)
    assert list(ranking.probabilities) == sorted(ranking.probabilities, reverse=True)


@settings(deadline=None)
@given(questions(), st.integers(1, 5), st.integers(1, 6))
def test_equals_a_slow_search(question: tuple[str, list[WindowLogits]], n_best_size: int, max_answer_len: int):
    context, windows = question
    best: dict[str, float] = {}
    for one in windows:
        size = len(one.start_logits)
        for start in range(size):
            for end in range(start, min(start + max_answer_len, size)):
                if one.context_start[start] < 0 or one.context_start[end] < 0 or not one.is_max_context[start]:
                    continue
                text = context[one.context_start[start] : one.context_end[end]]
                score = float(one.start_logits[start] + one.end_logits[end])
                if text.strip():
                    best[text] = max(score, best.get(text, -math.inf))
    expected = sorted(best.values(), reverse=True)[:n_best_size]

    ranking = rank_answers(context, windows, Limits(n_best_size, max_answer_len))
    assert [answer.score for answer in ranking.nbest] == expected
    assert all(best[answer.text] == answer.score for answer in ranking.nbest)
