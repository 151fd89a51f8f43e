"""The best tree against every tree there is, and against networkx's."""

from itertools import product

import numpy as np
import pytest

from palm.data.dependency_tree import ROOT, best_tree, find_cycle


def is_tree(heads):
    """Whether every word reaches the root, which is the head of one word: by walking, from each word."""
    for word in range(1, len(heads) + 1):
        at = word
        for _ in heads:
            at = heads[at - 1] if at else ROOT
        if at != ROOT:
            return False
    return list(heads).count(ROOT) == 1


def total(scores, heads):
    return sum(scores[word, head] for word, head in enumerate(heads))


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(12))
def test_no_tree_is_better(words, seed):
    scores = np.random.default_rng([words, seed]).normal(size=(words, words + 1)) * 10
    trees = [heads for heads in product(range(words + 1), repeat=words) if is_tree(heads)]
    assert len(trees) == words ** max(words - 1, 0)  # Cayley: n**(n-1) rooted trees of n words
    found = best_tree(scores.astype("float32"))
    assert is_tree(found)
    assert total(scores, found) == pytest.approx(max(total(scores, heads) for heads in trees))


def test_of_two_good_roots_one_is_chosen():
    scores = np.array([[9.0, 0.0, 1.0], [8.0, 2.0, 0.0]])
    assert best_tree(scores).tolist() == [0, 1]  # 9 + 2; without the rule it is 9 + 8


def test_scores_that_are_far_apart_do_not_hide_small_differences():
    scores = np.array([[-1e9, 0.0, 0.25, -1e9], [-1e9, 0.125, 0.0, 1.0], [3.0, -1e9, 0.5, 0.0]])
    assert best_tree(scores).tolist() == [2, 3, 0]


@pytest.mark.parametrize("words", [0, 1, 40, 120])
def test_scores_that_are_all_equal_or_no_numbers_give_a_tree(words):
    for scores in (np.zeros((words, words + 1)), np.full((words, words + 1), np.nan)):
        found = best_tree(scores)
        assert len(found) == words
        assert not words or is_tree(found)


def test_cycles_inside_cycles():
    """Two pairs that like each other best, and then each other's pair."""
    scores = np.full((4, 5), 0.0)
    for word, head, score in [(1, 2, 9), (2, 1, 9), (3, 4, 9), (4, 3, 9), (1, 3, 7), (3, 1, 7), (2, 0, 3), (4, 0, 2)]:
        scores[word - 1, head] = score
    # Rooted at 2: 3 + 9 (1 of 2) + 7 (3 of 1) + 9 (4 of 3); rooted at 4: 2 + 9 + 7 + 9.
    assert best_tree(scores).tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize("seed", range(6))
def test_the_same_as_networkx(seed):
    networkx = pytest.importorskip("networkx", reason="networkx comes with some extras")
    generator = np.random.default_rng(seed)
    words = int(generator.integers(6, 25))
    scores = generator.normal(size=(words, words + 1)) * 5
    totals = []
    for root in range(1, words + 1):  # each word as the one root
        graph = networkx.DiGraph()
        graph.add_edge(0, root, weight=scores[root - 1, 0])
        graph.add_weighted_edges_from(
            (head, word, scores[word - 1, head])
            for word in range(1, words + 1)
            for head in range(1, words + 1)
            if word not in (head, root)
        )
        tree = networkx.maximum_spanning_arborescence(graph)
        totals.append(sum(weight for _, _, weight in tree.edges(data="weight")))
    assert total(scores, best_tree(scores)) == pytest.approx(max(totals))


@pytest.mark.parametrize(
    ("heads", "cycle"),
    [([2, 0, 2], []), ([1], [1]), ([0, 3, 2], [2, 3]), ([2, 3, 4, 2], [2, 3, 4]), ([], [])],
)
def test_cycles(heads, cycle):
    assert find_cycle(heads) == cycle
