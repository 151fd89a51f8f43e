"""Candidates, tokens at masks, and the order of texts."""

import numpy as np
import pytest

from palm.analysis.ranks import analyse_candidates, analyse_order, analyse_texts, analyse_tokens, likeness
from palm.paradigm.comparison import ComparedCandidates, ComparedOrder, ComparedTexts, ComparedTokens


def test_candidates_by_hand():
    scores = [np.array([1.0, 2.0]), np.array([0.0, 5.0, 3.0]), np.array([1.0, 1.0])]
    found = analyse_candidates(
        ComparedCandidates([["a", "b"], ["a", "b", "c"], ["a", "b"]], [1, 2, 1], [1, 1, 0], scores)
    )
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.mean_reciprocal_rank == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert found.ranks == [1, 2]
    assert [(each.name, each.count, each.accuracy) for each in found.groups] == [("2", 2, 0.5), ("3", 1, 0.0)]


def test_tokens_by_hand():
    found = analyse_tokens(ComparedTokens([["河", "在"], ["河"]], [["河", "河"], ["河"]]))
    assert found.accuracy == pytest.approx(2 / 3)
    assert [(each.name, each.count, each.accuracy) for each in found.groups] == [("河", 2, 1.0), ("在", 1, 0.0)]
    assert analyse_tokens(ComparedTokens([[]], [[]])).accuracy == 0.0


def test_the_order_of_texts():
    found = analyse_order(ComparedOrder(np.array([True, False, True, True]), np.ones(4)))
    assert (found.accuracy, found.mean_reciprocal_rank, found.groups) == (0.75, None, [])


def test_the_fraction_that_is_right_by_length():
    gold = ["红鱼", "大鱼", "the red fish swims", "the cat"]
    found = analyse_texts(ComparedTexts(gold, ["红鱼", "大鸟", "the red fish swims", "the cat"], np.zeros(4)))
    assert found.accuracy == 0.75
    assert found.by_length
    assert [(each.name, each.count, each.accuracy) for each in found.groups] == [
        ("2", 3, pytest.approx(2 / 3)),
        ("4", 1, 1.0),
    ]


def test_likeness_is_twice_what_is_common_of_both():
    assert likeness("红鱼在河", "红鱼在河") == 1.0
    assert likeness("abcd", "abXd") == 0.75
    assert likeness("abc", "") == 0.0
