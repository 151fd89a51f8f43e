"""Answers that are right or wrong and have no classes: candidates, tokens at masks, the order of texts, and texts."""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from pydantic import Field

from palm.analysis.answers import length_of, length_ranges
from palm.analysis.scores import Facts
from palm.paradigm.comparison import ComparedCandidates, ComparedOrder, ComparedTexts, ComparedTokens

_MOST_TOKENS = 30


class RightOfGroup(Facts):
    """How often the answer is right in some rows.

    Attributes:
        name: What they have in common.
        count: How many answers they have.
        accuracy: The fraction that is right.
    """

    name: str
    count: int
    accuracy: float


class RankAnalysis(Facts):
    """What answers that are right or wrong tell.

    Attributes:
        accuracy: The fraction that is right.
        mean_reciprocal_rank: Mean of 1 / rank of the right candidate; None without candidates.
        ranks: How often the right candidate has rank 1, 2, …; empty without candidates.
        groups: By the number of candidates, by the gold token, or by the length of the gold text in words, in Chinese
            in characters; empty for the order of texts.
        by_length: Whether the groups are lengths.
    """

    accuracy: float
    mean_reciprocal_rank: float | None = None
    ranks: list[int] = Field(default_factory=list)
    groups: list[RightOfGroup] = Field(default_factory=list)
    by_length: bool = False


def analyse_candidates(rows: ComparedCandidates) -> RankAnalysis:
    """Where the right candidate of each of at least one row stands."""
    ranks = [_rank(scores, gold) for scores, gold in zip(rows.scores, rows.gold, strict=True)]
    right = [gold == predicted for gold, predicted in zip(rows.gold, rows.predicted, strict=True)]
    counts = [len(texts) for texts in rows.candidates]
    return RankAnalysis(
        accuracy=float(np.mean(right)),
        mean_reciprocal_rank=float(np.mean(1 / np.array(ranks))),
        ranks=np.bincount(ranks)[1:].tolist(),
        groups=_by_name([str(count) for count in counts], right, sorted({str(count) for count in counts}, key=int)),
    )


def _rank(scores: np.ndarray, gold: int) -> int:
    """From 1; of equal scores the first comes first."""
    return int(np.argsort(-scores, kind="stable").tolist().index(gold)) + 1


def analyse_tokens(rows: ComparedTokens) -> RankAnalysis:
    """How often the masked tokens are right, over all and of the most frequent ones."""
    gold = [token for tokens in rows.gold for token in tokens]
    predicted = [token for tokens in rows.predicted for token in tokens]
    right = [one == other for one, other in zip(gold, predicted, strict=True)]
    frequent = sorted(Counter(gold).items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_TOKENS]
    return RankAnalysis(
        accuracy=float(np.mean(right)) if right else 0.0, groups=_by_name(gold, right, [name for name, _ in frequent])
    )


def analyse_order(rows: ComparedOrder) -> RankAnalysis:
    """How often the matching text is ahead."""
    return RankAnalysis(accuracy=float(rows.is_right.mean()))


def analyse_texts(rows: ComparedTexts) -> RankAnalysis:
    """How often at least one text is its target, over all and by the length of the target."""
    right = np.array([gold == written for gold, written in zip(rows.gold, rows.predicted, strict=True)])
    lengths = np.array([length_of(gold) for gold in rows.gold], "int64")
    groups = []
    for low, high in length_ranges(lengths):
        own = right[(lengths >= low) & (lengths <= high)]
        name = str(low) if low == high else f"{low}-{high}"
        groups.append(RightOfGroup(name=name, count=len(own), accuracy=float(own.mean())))
    return RankAnalysis(accuracy=float(right.mean()), groups=groups, by_length=True)


def likeness(gold: str, written: str) -> float:
    """Twice the characters that both have in the same order, as a fraction of those of both: 1 for equal texts."""
    return SequenceMatcher(None, gold, written, autojunk=False).ratio()


def _by_name(names: Sequence[str], right: Sequence[bool], shown: Sequence[str]) -> list[RightOfGroup]:
    counts, correct = Counter(names), Counter(name for name, each in zip(names, right, strict=True) if each)
    return [RightOfGroup(name=name, count=counts[name], accuracy=correct[name] / counts[name]) for name in shown]
