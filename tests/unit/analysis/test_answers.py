"""Exact match and F1 by groups of questions."""

import numpy as np
import pytest

from palm.analysis.answers import NO_ANSWER, analyse_answers, length_of
from palm.paradigm.comparison import ComparedAnswers


def rows(questions, contexts, gold) -> ComparedAnswers:
    count = len(questions)
    return ComparedAnswers(questions, contexts, gold, [""] * count, [np.zeros(0)] * count, [-1] * count)


@pytest.mark.parametrize(
    ("text", "length"), [("a big river", 3), ("北京市", 3), ("Paddle 框架很好", 5), ("", 0), ("iPhone15是", 2)]
)
def test_chinese_is_counted_in_characters(text, length):
    assert length_of(text) == length


def test_groups_by_hand():
    questions = ["谁写的?", "是谁?", "Who?", "什么?"]
    contexts = ["一二三", "一二三四", "one two three", "一"]
    gold = [["鲁迅"], ["王"], ["the man", "man"], []]
    found = analyse_answers(rows(questions, contexts, gold), np.array([1.0, 0, 1, 0]), np.array([1.0, 0.5, 1, 0]))
    assert (found.overall.count, found.overall.exact_match, found.overall.f1) == (4, 0.5, 0.625)
    words = [(each.name, each.count, each.exact_match, each.f1) for each in found.by_question_word]
    assert words == [("谁", 2, 0.5, 0.75), ("who", 1, 1.0, 1.0), ("什么", 1, 0.0, 0.0)]
    assert [(each.name, each.count) for each in found.by_context_length] == [("1", 1), ("3", 2), ("4", 1)]
    assert [(each.name, each.count) for each in found.by_answer_length] == [(NO_ANSWER, 1), ("1", 2), ("2", 1)]
    assert {each.name: each.f1 for each in found.by_answer_kind} == {"with an answer": 2.5 / 3, NO_ANSWER: 0.0}


def test_ranges_of_many_lengths_hold_as_many_questions_each():
    count = 100
    contexts = ["词" * (number + 1) for number in range(count)]
    found = analyse_answers(rows(["谁"] * count, contexts, [["词"]] * count), np.ones(count), np.ones(count))
    assert [(each.name, each.count) for each in found.by_context_length] == [
        ("1-20", 20), ("21-40", 20), ("41-60", 20), ("61-80", 20), ("81-100", 20),
    ]  # fmt: skip
    assert found.by_answer_kind == []
