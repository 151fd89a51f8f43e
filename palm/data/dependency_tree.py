"""Dependency trees: the cycle of heads that make none, and the tree with the highest score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palm.data.dataset import IntArray

ROOT = 0
"""The head of the word that no word of the sentence governs."""

_NO_ARC = -np.inf
"""The score of a word's arc to itself, which no tree has."""


def find_cycle(heads: Sequence[int]) -> list[int]:
    """The words of one cycle, each followed by its head; empty if there is none.

    Args:
        heads: The head of each word, which are numbered from 1; `ROOT` for none.
    """
    checked = {ROOT}
    for start in range(1, len(heads) + 1):
        path: list[int] = []
        word = start
        while word not in checked:
            checked.add(word)
            path.append(word)
            word = int(heads[word - 1])
        if word in path:
            return path[path.index(word) :]
    return []


def best_tree(scores: np.ndarray) -> IntArray:
    """The heads of the tree with the highest score in which exactly one word has the head `ROOT`: int64[word].

    The algorithm of Chu and Liu (1965) and Edmonds (1967). That there is one root is a matter of scores: those of the
    root are lowered so far that no tree with two of them can be the best (Stanojević & Cohen, EMNLP 2021, section 3).

    Args:
        scores: Of each word's arc to the root and to each word, float[word word+1]; of equal trees any is returned.
    """
    words = len(scores)
    table = np.full((words + 1, words + 1), _NO_ARC)
    table[1:] = _finite(scores)
    np.fill_diagonal(table, _NO_ARC)
    arcs = table[1:][table[1:] > _NO_ARC]
    if words:
        table[1:, ROOT] -= 1.0 + (arcs.max() - arcs.min()) * words
    heads: IntArray = _arborescence(table)[1:]
    return heads


def _finite(scores: np.ndarray) -> np.ndarray:
    """The scores with the lowest of them in place of what is no number, as after a training that diverged."""
    exact = scores.astype("float64")
    known = exact[np.isfinite(exact)]
    return np.where(np.isfinite(exact), exact, known.min() if len(known) else 0.0)


@dataclass(frozen=True)
class _Contraction:
    """A cycle that is one node, the last, of a smaller graph.

    Attributes:
        cycle: Its nodes in the larger graph.
        others: The other nodes, in the order of the smaller graph.
        heads: The best head of each node of the larger graph.
        entered: For each of `others`, the node of the cycle whose arc it would replace.
        left: For each of `others`, the node of the cycle that would be its head.
    """

    cycle: IntArray
    others: IntArray
    heads: IntArray
    entered: IntArray
    left: IntArray

    def expand(self, found: IntArray) -> IntArray:
        """The heads in the larger graph, from those of the smaller one."""
        heads: IntArray = self.heads.copy()
        last = len(self.others)
        own = found[:last]
        heads[self.others] = np.where(own < last, self.others[np.minimum(own, last - 1)], self.cycle[self.left])
        heads[self.cycle[self.entered[found[last]]]] = self.others[found[last]]
        return heads


def _arborescence(table: np.ndarray) -> IntArray:
    """The head of each node in the best arborescence of node 0: int64[node].

    Args:
        table: The score of each arc, float64[node head].
    """
    contractions: list[_Contraction] = []
    while True:
        heads: IntArray = np.asarray(table.argmax(axis=1), "int64")
        heads[ROOT] = ROOT
        cycle = np.array(find_cycle(heads[1:].tolist()), "int64")
        if not len(cycle):
            break
        contraction, table = _contract(table, heads, cycle)
        contractions.append(contraction)
    for contraction in reversed(contractions):
        heads = contraction.expand(heads)
    return heads


def _contract(table: np.ndarray, heads: IntArray, cycle: IntArray) -> tuple[_Contraction, np.ndarray]:
    """The graph in which the cycle is one node behind the others."""
    others = np.setdiff1d(np.arange(len(table)), cycle)
    into = table[np.ix_(cycle, others)] - table[cycle, heads[cycle]][:, None]  # [cycle others]
    out = table[np.ix_(others, cycle)]  # [others cycle]
    last = len(others)
    smaller = np.full((last + 1, last + 1), _NO_ARC)
    smaller[:last, :last] = table[np.ix_(others, others)]
    smaller[last, :last] = into.max(axis=0)
    smaller[:last, last] = out.max(axis=1)
    return _Contraction(cycle, others, heads, into.argmax(axis=0), out.argmax(axis=1)), smaller
