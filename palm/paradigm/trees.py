"""From the scores of arcs to trees, and trees as CoNLL-U."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from palm.data.conllu_lines import lines_of, with_tree
from palm.data.dataset import IntArray, Record
from palm.data.dependency_tree import ROOT, best_tree

LEAST = -1e9
"""The score of what is not possible: below every other, and finite, so that gradients are."""

_JOINING = ("parataxis", "dep")
"""The relation of the root of a further window to that of the first: the first of these that there is."""


@dataclass(frozen=True)
class Tree:
    """Head and relation of each word."""

    heads: list[int]
    relations: list[str]


def joined_tree(
    windows: Sequence[tuple[IntArray, Mapping[str, np.ndarray]]], names: Sequence[str], root: str | None
) -> Tree:
    """The tree of a sentence, from the best tree of each of its windows.

    Args:
        windows: The words of each window, from 0, with `arcs` and `relations`, both [word word+1].
        names: The relations by id.
        root: The relation of the word without a head; None if it is the best of all relations.
    """
    heads: dict[int, int] = {}
    relations: dict[int, str] = {}
    first_root, joining = ROOT, joining_relation(names)
    for words, scores in windows:
        local = best_tree(scores["arcs"])
        for word, head, ids in zip(words.tolist(), local.tolist(), scores["relations"], strict=True):
            relation = names[int(ids[head])]
            if head == ROOT and first_root:
                relation = joining or relation
            elif head == ROOT:
                relation = root or relation
            heads[word] = int(words[head - 1]) + 1 if head else first_root
            relations[word] = relation
        if len(words) and not first_root:
            first_root = int(words[local.tolist().index(ROOT)]) + 1
    return Tree([heads[word] for word in sorted(heads)], [relations[word] for word in sorted(heads)])


def joining_relation(names: Sequence[str]) -> str | None:
    """The relation of the roots of further windows; None for the one that is best for the word as a root."""
    return next((name for name in _JOINING if name in names), None)


def conllu_text(predictions: Sequence[Record]) -> str:
    """Predictions as CoNLL-U: the lines of their file, or else their words, with their heads and relations."""
    return "".join("".join(f"{line}\n" for line in _lines(prediction)) + "\n" for prediction in predictions)


def _lines(prediction: Record) -> Sequence[str]:
    if "conllu" in prediction:
        return str(prediction["conllu"]).split("\n")[:-2]  # no other character ends a line
    given = cast("Sequence[str] | None", prediction.get("source_lines")) or lines_of(
        cast("Sequence[str]", prediction["words"])
    )
    return with_tree(given, cast("Sequence[int]", prediction["heads"]), cast("Sequence[str]", prediction["relations"]))
